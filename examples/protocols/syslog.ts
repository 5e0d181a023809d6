// A syslog server (RFC 5424, RFC 3164, with and without octet counting): writes each message to stdout as a line of JSON.
import { discard, listen, octetCounted, pipeline, syslog, tee, toJsonLines } from 'bywash'

const [port = '601', host = '0.0.0.0'] = process.argv.slice(2)

const collector = pipeline()
  .through(octetCounted({ maxLength: '8KiB' }))
  .through(syslog({ invalid: 'report' }))
  .through(toJsonLines())
  .through(tee({ to: process.stdout, onLag: 'wait' }))
  .through(discard())
const listener = await listen(collector, {
  host,
  port: Number(port),
  farewell: () => undefined,
  onError: (error, { remoteAddress }) => process.stderr.write(`${remoteAddress}: ${error.message}\n`),
})
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`Syslog on ${listener.address.address}:${listener.address.port}\n`)
