import type { Writable } from 'node:stream'
import { pino, stdTimeFunctions } from 'pino'
import { asciiJson } from '../json-text.js'
import type { WriteEntry } from './log-entry.js'

/** Writes entries as JSON, one object a line. */
export function writeJson(stream: Writable): WriteEntry {
  const logger = pino(
    {
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: level => ({ level }) },
    },
    { write: line => void stream.write(asciiJson(line)) },
  )
  return ({ level, message, ...facts }) => logger[level](facts, message)
}
