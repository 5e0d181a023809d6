// An HL7 server over MLLP: it acknowledges each message, with AA, or with AR where there is no control ID to name.
import { InvalidFrameError, listen, mllp, pipeline, stage, toMllp } from 'bywash'

const [port = '2575', host = '0.0.0.0'] = process.argv.slice(2)
let count = 0

/** The acknowledgement of a message; one that is an acknowledgement itself gets none, or there would be no end. */
function answerTo(message: string): string | undefined {
  const [header = ''] = message.split('\r', 1)
  if (!/^MSH[^\w\s]/.test(header)) throw new InvalidFrameError('acknowledge', 'it does not begin with MSH')
  const separator = header.charAt(3)
  const [, marks = '', application, facility, toApplication, toFacility, , , type = '', id = '', ...rest] =
    header.split(separator)
  const dot = marks.charAt(0)
  const [kind, trigger] = type.split(dot)
  if (kind === 'ACK') return undefined
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const sides = [toApplication, toFacility, application, facility]
  const answer = trigger === undefined ? 'ACK' : `ACK${dot}${trigger}`
  const fields = ['MSH', marks, ...sides, `${time}+0000`, '', answer, `${time}-${++count}`, rest[0], rest[1]]
  return `${fields.join(separator)}\r${['MSA', id === '' ? 'AR' : 'AA', id].join(separator)}\r`
}

const acknowledge = stage({
  name: 'acknowledge',
  accepts: 'frame',
  emits: 'frame',
  open: () => ({
    transform(message, controller) {
      const answer = answerTo(message.toString('latin1'))
      if (answer !== undefined) controller.enqueue(Buffer.from(answer, 'latin1'))
    },
  }),
})

const server = pipeline()
  .through(mllp({ maxLength: '1MiB' }))
  .through(acknowledge)
  .through(toMllp())
const listener = await listen(server, { host, port: Number(port), farewell: () => undefined })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`MLLP on ${listener.address.address}:${listener.address.port}\n`)
