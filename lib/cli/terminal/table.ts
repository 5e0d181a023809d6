import { Help } from 'commander'
import stringWidth from 'string-width'

/** Width that the last column needs at least; where it is narrower, its cells are put below the others. */
const MIN_LAST_COLUMN_WIDTH = 20

const help = Object.assign(new Help(), { minWidthToWrap: 1, displayWidth: stringWidth })

/**
 * Formats rows as a table that fits a terminal: the last column is wrapped.
 *
 * @param width - Number of columns of the terminal.
 */
export function table(rows: readonly (readonly string[])[], width: number): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.slice(0, -1).entries()) {
      widths[column] = Math.max(widths[column] ?? 0, stringWidth(cell))
    }
  }
  const before = widths.reduce((sum, width) => sum + width + 2, 0)
  const isNarrow = width - before < MIN_LAST_COLUMN_WIDTH
  const indent = isNarrow ? 2 : before
  return rows
    .flatMap(row => {
      const [first, ...others] = wrapped(row.at(-1) as string, width - indent)
      const head = widths.map((width, column) => padded(row[column] as string, width)).join('')
      return [
        ...(isNarrow ? [head, ' '.repeat(indent) + first] : [head + first]),
        ...others.map(line => ' '.repeat(indent) + line),
      ]
    })
    .map(line => line.trimEnd())
    .filter(line => line !== '')
    .join('\n')
}

/** Wraps a text to lines of at most `width` columns; a longer word is not broken. */
export function wrapped(text: string, width: number): readonly string[] {
  return help.boxWrap(text, width).split('\n')
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(width - stringWidth(cell) + 2)
}
