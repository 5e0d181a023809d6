import { readFileSync } from 'node:fs'

const LIMITS_FILE = '/proc/self/limits'
/** What the program itself, its logs and refused connections need. */
const RESERVED_FILES = 64
const DEFAULT_MAX_CONNECTIONS = 10_000

/** How many files this process may open, where the system says so. */
function openFileLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync(LIMITS_FILE, 'utf8'))?.[1] ?? Infinity)
  } catch {
    // Not Linux: there Node raises the limit to what the system allows.
    return Infinity
  }
}

/**
 * How many connections are served at once unless the options say so: 10,000, but 64 files are left for the rest, or
 * half of them where there are fewer. Without a descriptor to spare the system would close connections silently.
 */
export function defaultMaxConnections(limit = openFileLimit()): number {
  return Math.max(
    1,
    Math.min(DEFAULT_MAX_CONNECTIONS, Math.max(limit - RESERVED_FILES, Math.floor(limit / 2))),
  )
}
