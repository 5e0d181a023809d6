import type { Writable } from 'node:stream'
import { pino, stdTimeFunctions } from 'pino'
import type { WriteEntry } from './log-entry.js'

/** Writes entries as JSON, one object a line. */
export function writeJson(stream: Writable): WriteEntry {
  const logger = pino(
    {
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: level => ({ level }) },
    },
    { write: line => void stream.write(ascii(line)) },
  )
  return ({ level, message, ...facts }) => logger[level](facts, message)
}

/** Escapes everything outside ASCII: JSON keeps characters that control a terminal (U+009B) or hide others (U+202E). */
function ascii(line: string): string {
  return line.replace(/[^\n -~]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
