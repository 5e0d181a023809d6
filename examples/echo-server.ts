// Sends back the exact bytes. A pipeline without stages is an echo.
import { listen, pipeline } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

const listener = await listen(pipeline(), { host, port: Number(port) })
process.once('SIGTERM', () => void listener.close())

const bound = listener.address
process.stderr.write(`Echo server listening on ${bound.address}:${bound.port}\n`)
process.stderr.write(`Test: echo 'hello' | nc localhost ${bound.port}\n`)
process.stderr.write(`Or: echo 'hello' | npx bywash connect localhost:${bound.port}\n`)
