// Echoes, and writes a line to stderr for each client that comes or goes.
import { counter, listen, pipeline } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)
const log = (line: string) => process.stderr.write(`${line}\n`)

const counted = pipeline().through(
  counter({
    onOpen: ({ number }, { remoteAddress, remotePort }) =>
      log(`[conn #${number}] new client from ${remoteAddress}:${remotePort}`),
    onClose: ({ total }) => log(`[server] client disconnected (total served: ${total})`),
  }),
)

const listener = await listen(counted, { host, port: Number(port) })
process.once('SIGTERM', () => void listener.close())

const bound = listener.address
log(`Echo server listening on ${bound.address}:${bound.port}`)
log(`Test: echo 'hello' | nc localhost ${bound.port}`)
log(`Or: echo 'hello' | npx bywash connect localhost:${bound.port}`)
