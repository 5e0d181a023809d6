// A server with a stage of its own: adds up the numbers in the lines that a client sends, until a line says quit.
import { lines, listen, pipeline, stage, toLines } from 'bywash'

const [port = '8080', host = '0.0.0.0'] = process.argv.slice(2)

const sum = stage<string, string>({
  name: 'sum',
  accepts: 'line',
  emits: 'line',
  open: () => {
    let total = 0 // inside open(), so that each connection has its own
    return {
      transform: (line, controller) => {
        if (line === 'quit') return controller.terminate()
        const number = Number(line)
        if (Number.isNaN(number)) return controller.enqueue(`not a number: ${line}`)
        total += number
        controller.enqueue(`= ${total}`)
      },
    }
  },
})

const adder = pipeline()
  .through(lines({ maxLength: 80 }))
  .through(sum)
  .through(toLines())
const listener = await listen(adder, { host, port: Number(port) })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`Adding on ${listener.address.address}:${listener.address.port}\n`)
