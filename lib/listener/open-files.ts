import { readFileSync } from 'node:fs'

const LIMITS = '/proc/self/limits'
/** What the program itself, its logs and refused connections need. */
const RESERVED = 64
const MOST = 10_000

/** How many files this process may open, where the system says so. */
function openFileLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync(LIMITS, 'utf8'))?.[1] ?? Infinity)
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
  return Math.max(1, Math.min(MOST, Math.max(limit - RESERVED, Math.floor(limit / 2))))
}
