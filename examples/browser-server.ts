// Serves browsers: a page with an input and an output, and behind it a list of stages. Each message is a line.
import { lines, listen, pipeline, toLines, uppercase, welcome } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

const shout = pipeline()
  .through(lines({ maxLength: 4096 }))
  .through(uppercase())
  .through(toLines())
  .through(welcome('Type a line and press Enter. I will shout it back.\n'))

const listener = await listen(shout, { host, port: Number(port), websocket: { page: true } })
process.once('SIGTERM', () => void listener.close())

const bound = listener.address
process.stderr.write(`Browsers on ${bound.address}:${bound.port}\n`)
process.stderr.write(`Open: http://localhost:${bound.port}/\n`)
