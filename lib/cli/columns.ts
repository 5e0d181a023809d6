import { Help } from 'commander'
import stringWidth from 'string-width'

/** The narrowest that the last column of a table gets. */
const NARROWEST = 20

const help = Object.assign(new Help(), { minWidthToWrap: NARROWEST })

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
  const room = Math.max(width - before, NARROWEST)
  return rows
    .flatMap(row => {
      const cells = row.slice(0, -1).map((cell, column) => pad(cell, widths[column] ?? 0))
      return help
        .boxWrap(row.at(-1) ?? '', room)
        .split('\n')
        .map((line, index) =>
          [...(index === 0 ? cells : cells.map(cell => ' '.repeat(stringWidth(cell)))), line]
            .join('  ')
            .trimEnd(),
        )
    })
    .join('\n')
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(width - stringWidth(cell))
}
