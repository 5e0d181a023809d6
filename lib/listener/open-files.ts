import { readFileSync } from 'node:fs'

const LIMITS_FILE = '/proc/self/limits'
/** Descriptors that are left for the program itself, its logs and refused connections. */
const RESERVED_FILES = 64
const DEFAULT_MAX_CONNECTIONS = 10_000

/** Limit of open files of this process; Infinity where the system does not tell it. */
function openFileLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync(LIMITS_FILE, 'utf8'))?.[1] ?? Infinity)
  } catch {
    // Not Linux. There, Node raises the limit as far as the system allows.
    return Infinity
  }
}

/**
 * Default of `maxConnections`: 10,000, or less where the limit of open files is lower. Then it is that limit minus 64 or
 * half of that limit, whichever is more. Without a free descriptor the system would close connections silently.
 */
export function defaultMaxConnections(limit = openFileLimit()): number {
  return Math.max(
    1,
    Math.min(DEFAULT_MAX_CONNECTIONS, Math.max(limit - RESERVED_FILES, Math.floor(limit / 2))),
  )
}
