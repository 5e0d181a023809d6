// An HTTP/1.1 server with keep-alive and pipelining (RFC 9112): it answers with what it was asked.
import { decode, InvalidFrameError, listen, pipeline, stage } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

interface Request {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

const requests = decode('http', 'value', function* (read) {
  const [first = '', ...fields] = (yield* read.until('\r\n\r\n')).toString('latin1').split('\r\n')
  const [, method = '', target = '', version = ''] = /^([A-Z]+) (\S+) HTTP\/(1\.[01])$/.exec(first) ?? []
  if (method === '') throw new InvalidFrameError('http', 'its first line is no request')
  const headers = new Map<string, string>()
  for (const field of fields) {
    const [, name = '', value = ''] = /^([\w-]+):[ \t]*(.*?)[ \t]*$/.exec(field) ?? []
    if (name === '' || headers.has(name.toLowerCase()))
      throw new InvalidFrameError('http', 'a header is none, or comes twice')
    headers.set(name.toLowerCase(), value)
  }
  const length = headers.get('content-length') ?? '0'
  if (!/^\d{1,9}$/.test(length) || headers.has('transfer-encoding')) {
    throw new InvalidFrameError('http', 'it does not say how long its body is')
  }
  return { method, target, version, headers, body: yield* read.bytes(Number(length)) } as Request
})

const answers = stage<Request, Buffer>({
  name: 'answer',
  accepts: 'value',
  emits: 'bytes',
  open: () => ({
    transform({ method, target, version, headers, body }, controller) {
      const wish = headers.get('connection')?.toLowerCase()
      const keeps = version === '1.1' ? wish !== 'close' : wish === 'keep-alive'
      const text = `${method} ${target}, ${body.length} bytes\n`
      controller.enqueue(
        Buffer.from(
          `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n` +
            `Connection: ${keeps ? 'keep-alive' : 'close'}\r\n\r\n${method === 'HEAD' ? '' : text}`,
        ),
      )
      if (!keeps) controller.terminate()
    },
  }),
})

const listener = await listen(pipeline().through(requests).through(answers), {
  host,
  port: Number(port),
  farewell: () => 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
})
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`HTTP on ${listener.address.address}:${listener.address.port}\n`)
