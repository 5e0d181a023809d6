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
  const { reason, address, bytesRead = 0, bytesWritten = 0, duration, itemsIn, itemsOut = 0 } = facts
  const { heldAtMost, slowest, slowestShare = 0 } = facts
  const parts = [
    event === 'closed' ? reason : undefined,
    address,
    ...(duration === undefined
      ? []
      : [`${bytes(bytesRead)} in`, `${bytes(bytesWritten)} out`, `${duration} ms`]),
    ...(itemsIn === undefined ? [] : [`${items(itemsIn)} in`, `${items(itemsOut)} out`]),
    heldAtMost === undefined ? undefined : `held at most ${bytes(heldAtMost)}`,
    slowest === undefined ? undefined : `slowest: ${slowest} ${Math.round(100 * slowestShare)} %`,
  ]
  const text = parts.filter(part => part !== undefined).join(', ')
  return [`[${listener}${id === undefined ? '' : ` #${id}`}] ${event}`, text, message]
    .filter(part => part !== '')
    .join(': ')
}

function items(count: number): string {
  return count === 1 ? '1 item' : `${count} items`
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`
}
