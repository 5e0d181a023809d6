// Loaded before every test file (.taprc). When the file is over nothing of it may be left: no descriptor of a socket, no
// handle that would keep the process alive, and no warning of too many listeners on the way.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const FOLDER = '/proc/self/fd'
/** Tables of the system with the sockets that have an address. Pipes to children, such as that of the loader, have none. */
const TABLES: [string, RegExp][] = [
  ['tcp', /^ *\d+: (?:\S+ +){8}(\d+)/gm],
  ['tcp6', /^ *\d+: (?:\S+ +){8}(\d+)/gm],
  ['unix', /(\d+) \S+$/gm],
]

/** The sockets of this process that have an address; none where the system does not show them. */
function sockets(): string[] {
  try {
    const ours = new Set(readdirSync(FOLDER).map(nameOf))
    return TABLES.flatMap(([table, row]) =>
      [...readFileSync(`/proc/self/net/${table}`, 'utf8').matchAll(row)].flatMap(([, inode]) =>
        ours.has(`socket:[${inode}]`) ? `${table} socket` : [],
      ),
    )
  } catch {
    return []
  }
}

function nameOf(descriptor: string): string {
  try {
    return readlinkSync(`${FOLDER}/${descriptor}`)
  } catch {
    // It was the one that reads the folder.
    return ''
  }
}

const warnings: string[] = []
process.on('warning', ({ name, message }) => {
  if (name === 'MaxListenersExceededWarning') warnings.push(message)
})

process.once('exit', () => {
  // A file that has failed has other worries.
  if (process.exitCode !== undefined && process.exitCode !== 0) return
  const handles = process.getActiveResourcesInfo().filter(name => /^(TCP|TLS|Process|FSEvent)/.test(name))
  const leaks = [...sockets(), ...handles, ...warnings]
  if (leaks.length === 0) return
  process.stderr.write(`This test file leaks: ${leaks.join(', ')}\n`)
  process.exitCode = 1
})
