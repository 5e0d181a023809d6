import type { Writable } from 'node:stream'
import { printable } from '../../options/printable.js'
import type { LogEntry, WriteEntry } from './log-entry.js'

/** Writes entries as text, one a line. */
export function writeText(stream: Writable): WriteEntry {
  return entry => void stream.write(`${printable(formatEntry(entry))}\n`)
}

/** Formats an entry: `[conn #1] closed: end, 127.0.0.1:53012, 6 bytes in, 6 bytes out, 12 ms`. */
function formatEntry({ event, listener = 'conn', id, message = '', ...facts }: LogEntry): string {
  if (event === undefined) return message
  const { reason, address, bytesRead = 0, bytesWritten = 0, duration } = facts
  const parts = [
    event === 'closed' ? reason : undefined,
    address,
    ...(duration === undefined
      ? []
      : [`${bytes(bytesRead)} in`, `${bytes(bytesWritten)} out`, `${duration} ms`]),
  ]
  const text = parts.filter(part => part !== undefined).join(', ')
  return [`[${listener}${id === undefined ? '' : ` #${id}`}] ${event}`, text, message]
    .filter(part => part !== '')
    .join(': ')
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`
}
