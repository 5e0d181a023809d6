// An HTTP/1.1 server with keep-alive and pipelining (RFC 9112), without chunked bodies.
import { decode, InvalidFrameError, listen, pipeline, stage, TimeoutError } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

type Request = { method: string; target: string; version: string; headers: Map<string, string>; body: Buffer }

const goOn = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

const requests = decode('http', 'value', function* (read, _connection, controller) {
  const [first = '', ...fields] = (yield* read.until('\r\n\r\n')).toString('latin1').split('\r\n')
  const [, method = '', target = '', version = ''] = /^([A-Z]+) ([!-~]+) HTTP\/(1\.[01])$/.exec(first) ?? []
  if (method === '') throw new InvalidFrameError('http', 'its first line is no request')
  const headers = new Map<string, string>()
  for (const field of fields) {
    const [, name = '', value = ''] = /^([\w-]+):[ \t]*(.*?)[ \t]*$/.exec(field.toLowerCase()) ?? []
    if (name === '') throw new InvalidFrameError('http', 'a line of it is no header')
    // A length or a host that comes twice becomes one that is none.
    headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value)
  }
  const length = headers.get('content-length') ?? '0'
  if (!/^\d{1,9}$/.test(length) || headers.has('transfer-encoding'))
    throw new InvalidFrameError('http', 'it does not say how long its body is')
  if (version === '1.1' && !/^[^ ,]+$/.test(headers.get('host') ?? ''))
    throw new InvalidFrameError('http', 'it does not say its host')
  const body = read.bytes(Number(length))
  // Behind the answers to earlier requests; a body that is too long was refused by now.
  if (version === '1.1' && headers.get('expect') === '100-continue') controller.reply(goOn)
  return { method, target, version, headers, body: yield* body } as Request
})

const answers = stage<Request, Buffer>({
  name: 'answers',
  accepts: 'value',
  emits: 'bytes',
  open: () => ({
    transform({ method, target, version, headers, body }, controller) {
      const wish = headers.get('connection') ?? ''
      const keeps = version === '1.1' ? !/\bclose\b/.test(wish) : /\bkeep-alive\b/.test(wish)
      const text = `${method} ${target}, ${body.length} bytes\n`
      const first = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n`
      const rest = `Connection: ${keeps ? 'keep-alive' : 'close'}\r\n\r\n${method === 'HEAD' ? '' : text}`
      controller.enqueue(Buffer.from(first + rest))
      if (!keeps) controller.terminate()
    },
  }),
})

const badRequest = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
const listener = await listen(pipeline().through(requests).through(answers), {
  host,
  port: Number(port),
  idleTimeout: 60_000,
  farewell: error => (error instanceof TimeoutError ? undefined : badRequest),
})
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`HTTP on ${listener.address.address}:${listener.address.port}\n`)
