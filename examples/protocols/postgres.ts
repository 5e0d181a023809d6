// A server of PostgreSQL's protocol 3.0 that takes anybody over TLS, and answers each query with its own text; it has no tables.
// Usage: postgres.ts PORT HOST CERT KEY
import { readFileSync } from 'node:fs'
import { lengthPrefixed, listen, pipeline, stage, toLengthPrefixed } from 'bywash'

const [port = '5432', host = '127.0.0.1', cert = 'cert.pem', key = 'key.pem'] = process.argv.slice(2)
const tls = { cert: readFileSync(cert), key: readFileSync(key) }
const [SSL_REQUEST, VERSION_3] = [80_877_103, 196_608]
/** The length of a message counts itself, and not the type in front of it. */
const MESSAGE = { offset: 1, width: 4, includesItself: true } as const
const message = (...parts: (string | Buffer)[]) => Buffer.concat(parts.map(part => Buffer.from(part)))
const READY = message('ZI')
/** One column of type text (25): its name, no table, the type, of any size, sent as text. */
const COLUMN = message('T\0\x01query\0', Buffer.from('00000000000000000019ffffffffffff0000', 'hex'))

const queries = stage({
  name: 'queries',
  accepts: 'frame',
  emits: 'frame',
  open: ({ tls }) => ({
    start(controller) {
      controller.enqueue(tls ? message('R\0\0\0\0') : message('ESERROR\0C28000\0Mthis server wants TLS\0\0'))
      if (tls) controller.enqueue(READY)
      else controller.terminate()
    },
    transform(frame, controller) {
      const type = String(frame.subarray(0, 1))
      if (type === 'X') controller.terminate()
      if (type !== 'Q') return
      const length = Buffer.alloc(4)
      length.writeInt32BE(frame.length - 2)
      const row = message('D\0\x01', length, frame.subarray(1, -1))
      for (const answer of [COLUMN, row, message('CSELECT 1\0'), READY]) controller.enqueue(answer)
    },
  }),
})
const decoder = lengthPrefixed({ ...MESSAGE, keepHeader: true })
const session = pipeline().through(decoder).through(queries).through(toLengthPrefixed(MESSAGE))

const startup = stage({
  name: 'startup',
  accepts: 'frame',
  emits: 'bytes',
  upgrades: true,
  open: connection => ({
    async transform(frame, controller) {
      const code = frame.length < 4 ? 0 : frame.readInt32BE()
      if (code === VERSION_3) controller.become(session)
      else controller.enqueue(Buffer.from(code === SSL_REQUEST ? 'S' : 'N'))
      if (code === SSL_REQUEST) await connection.startTls(tls)
    },
  }),
})
const first = lengthPrefixed({ width: 4, includesItself: true, maxLength: 10_000 })
const server = pipeline().through(first).through(startup)
const listener = await listen(server, { host, port: Number(port), farewell: () => undefined })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`PostgreSQL on ${listener.address.address}:${listener.address.port}\n`)
