// Sends each line back in upper case: a line protocol, with a limit on the length of a line.
import { lines, listen, pipeline, toLines, uppercase, welcome } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

// With latin1 each byte is one character, so bytes that are not UTF-8 come back unchanged.
const shout = pipeline()
  .through(lines({ delimiter: '\n', encoding: 'latin1', maxLength: 4096 }))
  .through(uppercase())
  .through(toLines({ encoding: 'latin1' }))
  .through(welcome('Type a line and press Enter. I will shout it back.\n'))

const listener = await listen(shout, { host, port: Number(port) })
process.once('SIGTERM', () => void listener.close())

const bound = listener.address
process.stderr.write(`Uppercase echo server on ${bound.address}:${bound.port}\n`)
process.stderr.write(`Test: nc localhost ${bound.port}\n`)
process.stderr.write(`Or: npx bywash connect localhost:${bound.port}\n`)
