import { isUtf8 } from 'node:buffer'
import { structuredPatch } from 'diff'
import { escapeBytes } from '../../config/text/escapes.js'

/** Mark of a line: unchanged, only expected, or only received. */
export type DiffMark = ' ' | '-' | '+'

/** Number of changed lines beyond which no diff is made: it would not be readable, and take long. */
const MAX_CHANGED_LINES = 1000

/**
 * Compares what was expected with what was received, as a unified diff with three lines of context. Text is compared
 * line by line, with each line feed shown as `\n`; bytes that are not UTF-8 are compared in rows of 16, as hex.
 */
export function lineDiff(expected: Buffer, received: Buffer): readonly [DiffMark, string][] {
  const rows = isUtf8(expected) && isUtf8(received) ? linesOf : hexRows
  const [before, after] = [rows(expected), rows(received)]
  const patch = structuredPatch('', '', before, after, '', '', {
    context: 3,
    maxEditLength: MAX_CHANGED_LINES,
  })
  if (patch === undefined) {
    return [
      ['-', `${expected.length} bytes`],
      ['+', `${received.length} other bytes`],
    ]
  }
  return patch.hunks.flatMap(({ lines, oldStart }): [DiffMark, string][] => [
    ...(oldStart > 1 ? [[' ', '…'] as [DiffMark, string]] : []),
    ...lines.map((line): [DiffMark, string] => [line[0] as DiffMark, line.slice(1)]),
  ])
}

function linesOf(bytes: Buffer): string {
  const lines = bytes.toString().split(/(?<=\n)/)
  return lines.map(line => `${line === '' ? '(nothing)' : escapeBytes(line)}\n`).join('')
}

function hexRows(bytes: Buffer): string {
  if (bytes.length === 0) return '(nothing)\n'
  const rows = bytes.toString('hex').match(/.{1,32}/g) as string[]
  return rows.map(row => `${row.replace(/..(?=.)/g, '$& ')}\n`).join('')
}
