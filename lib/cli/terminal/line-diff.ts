import { isUtf8 } from 'node:buffer'
import { structuredPatch } from 'diff'
import { escapeBytes } from '../../config/text/escapes.js'

/** How a line of a difference is marked. */
export type DiffMark = ' ' | '-' | '+'

/** Beyond so many changed lines a difference is not readable, and takes long to find. */
const MAX_CHANGED_LINES = 1000

/**
 * The lines in which two values differ, with those around them, as a patch: a minus before what was expected, a plus
 * before what came. Text is shown line by line, with `\n` where a line ends, other bytes in rows of 16.
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
