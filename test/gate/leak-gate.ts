// Loaded before every test file (.taprc). When the file is over nothing of it may be left: no descriptor of a socket, no
// handle that would keep the process alive, and no warning of too many listeners on the way.
import { openSockets } from './open-sockets.js'

const warnings: string[] = []
process.on('warning', ({ name, message }) => {
  if (name === 'MaxListenersExceededWarning') warnings.push(message)
})

process.once('exit', () => {
  // A file that has failed has other worries.
  if (process.exitCode !== undefined && process.exitCode !== 0) return
  const handles = process.getActiveResourcesInfo().filter(name => /^(TCP|TLS|Process|FSEvent)/.test(name))
  const leaks = [...openSockets(), ...handles, ...warnings]
  if (leaks.length === 0) return
  process.stderr.write(`This test file leaks: ${leaks.join(', ')}\n`)
  process.exitCode = 1
})
