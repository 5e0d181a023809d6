// Serves the echo preset with `npm start` as the README says, but on a free port of this machine, and checks an answer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

const server = spawn('npm', ['start', '--', '--host', '127.0.0.1', '--port', '0'], {
  stdio: ['ignore', 'inherit', 'pipe'],
  detached: true,
})
const stop = () => process.kill(-server.pid, 'SIGTERM')
const timeout = setTimeout(() => {
  stop()
  throw new Error('The server did not start and answer within a minute.')
}, 60_000)

let port
for await (const line of createInterface(server.stderr)) {
  console.log(line)
  port = /^Echo server listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1] ?? port
  if (line.startsWith('Test: ')) break
}
const client = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
client.end('hello\n')
const answer = Buffer.concat(await client.toArray()).toString()
// npm ends itself with the signal that it got; its pipe is closed when the server behind it has ended too.
stop()
await once(server, 'close')
clearTimeout(timeout)
console.log(`answered ${JSON.stringify(answer)}, and stopped`)
process.exitCode = answer === 'hello\n' ? 0 : 1
