import { Help } from 'commander'
import stringWidth from 'string-width'

/** Where the last column would be narrower it stands below the others. */
const NARROWEST = 20

const help = Object.assign(new Help(), { minWidthToWrap: 1, displayWidth: stringWidth })

/**
 * Rows as a table that fits a terminal: what is too long for the last column goes on below itself.
 *
 * @param width - How many columns the terminal has.
 */
export function table(rows: readonly (readonly string[])[], width: number): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map(row => stringWidth(row[column] ?? ''))),
  )
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
  const isNarrow = width - before < NARROWEST
  const indent = ' '.repeat(isNarrow ? 2 : before)
  return rows
    .flatMap(row => {
      const cells = row.slice(0, -1).map((cell, column) => padded(cell, widths[column] ?? 0))
      const lines = wrapped(row.at(-1) ?? '', width - indent.length).map(line => indent + line)
      const head = cells.map(cell => `${cell}  `).join('')
      return isNarrow ? [head, ...lines] : [head + (lines[0] ?? '').slice(before), ...lines.slice(1)]
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
  return cell + ' '.repeat(width - stringWidth(cell))
}
