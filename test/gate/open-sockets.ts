import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const FOLDER = '/proc/self/fd'
/** Tables of the system with the sockets that have an address. Pipes to children, such as that of the loader, have none. */
const TABLES: [string, RegExp][] = [
  ['tcp', /^ *\d+: (?:\S+ +){8}(\d+)/gm],
  ['tcp6', /^ *\d+: (?:\S+ +){8}(\d+)/gm],
  ['unix', /(\d+) \S+$/gm],
]

/** The sockets of this process that have an address, by their sort; none where the system does not show them. */
export function openSockets(): string[] {
  try {
    const ours = new Set(readdirSync(FOLDER).map(nameOf))
    return TABLES.flatMap(([table, row]) => {
      // A table that changes while it is read shows a row twice, or not at all.
      const rows = [1, 2].flatMap(() => [...readFileSync(`/proc/self/net/${table}`, 'utf8').matchAll(row)])
      const inodes = new Set(rows.map(([, inode]) => inode))
      return [...inodes].flatMap(inode => (ours.has(`socket:[${inode}]`) ? `${table} socket` : []))
    })
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
