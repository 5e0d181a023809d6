// A SOCKS5 proxy (RFC 1928) for CONNECT, without authentication: behind its request a connection becomes that of the server.
// The client hears of success before the server was reached; one that cannot be reached ends the connection.
import { decode, InvalidFrameError, listen, pipeline, stage, upstream } from 'bywash'

const [port = '1080', host = '127.0.0.1'] = process.argv.slice(2)

const greetings = decode('greetings', 'frame', function* (read) {
  if ((yield* read.uint8()) !== 5) throw new InvalidFrameError('greetings', 'it is not of SOCKS 5')
  return yield* read.bytes(yield* read.uint8())
})

const requests = decode('requests', 'value', function* (read) {
  const [version, command, , type] = yield* read.bytes(4)
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? yield* read.uint8() : 0
  if (version !== 5 || length === 0) throw new InvalidFrameError('requests', 'it is no request of SOCKS 5')
  const address = yield* read.bytes(length)
  const name = type === 3 ? address.toString('latin1') : type === 1 ? address.join('.') : ipv6(address)
  return { isConnect: command === 1, server: `${name}:${yield* read.uint16()}` }
})

function ipv6(address: Buffer): string {
  return `[${[0, 2, 4, 6, 8, 10, 12, 14].map(at => address.readUInt16BE(at).toString(16)).join(':')}]`
}

const connect = stage<{ isConnect: boolean; server: string }, Buffer>({
  name: 'connect',
  accepts: 'value',
  emits: 'bytes',
  upgrades: true,
  open: () => ({
    transform({ isConnect, server }, controller) {
      controller.enqueue(Buffer.of(5, isConnect ? 0 : 7, 0, 1, 0, 0, 0, 0, 0, 0))
      if (isConnect) controller.become(upstream(server))
      else controller.terminate()
    },
  }),
})

const greet = stage({
  name: 'greet',
  accepts: 'frame',
  emits: 'bytes',
  upgrades: true,
  open: () => ({
    transform(methods, controller) {
      const isOpen = methods.includes(0)
      controller.enqueue(Buffer.of(5, isOpen ? 0 : 0xff))
      if (isOpen) controller.become(pipeline().through(requests).through(connect))
      else controller.terminate()
    },
  }),
})

const proxy = pipeline().through(greetings).through(greet)
const listener = await listen(proxy, { host, port: Number(port), farewell: () => undefined })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`SOCKS5 on ${listener.address.address}:${listener.address.port}\n`)
