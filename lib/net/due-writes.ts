import { nextTurn } from '../clock.js'

/** Up to this many bytes, output is left to the check phase. More is written while it is in the processor's cache. */
export const MAX_DUE_BYTES = 4_096

/** The owner of output that leaves in the check phase of this turn of the event loop. */
export interface DueWriter {
  writeDue: () => void
}

let due: DueWriter[] = []

/** Calls `writeDue()` in the check phase of this turn of the event loop, behind the reads of all sockets. */
export function writeLater(writer: DueWriter): void {
  if (due.push(writer) === 1) nextTurn(writeAll)
}

function writeAll(): void {
  const writers = due
  due = []
  for (const writer of writers) writer.writeDue()
}
