import { Help } from 'commander'
import stringWidth from 'string-width'

/** Where the last column would be narrower it stands below the others. */
const MIN_LAST_COLUMN_WIDTH = 20

const help = Object.assign(new Help(), { minWidthToWrap: 1, displayWidth: stringWidth })

/**
 * Rows as a table that fits a terminal: what is too long for the last column goes on below itself.
 *
 * @param width - How many columns the terminal has.
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

/** A text in lines that have at most so many columns, unless a word is longer. */
export function wrapped(text: string, width: number): readonly string[] {
  return help.boxWrap(text, width).split('\n')
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(width - stringWidth(cell) + 2)
}
