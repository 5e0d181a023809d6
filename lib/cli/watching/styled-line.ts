/** The look of a part of a line on a terminal with colours. */
export type Style = 'red' | 'green' | 'bold' | 'dim'

/** A part of a line: a text of characters that are one column wide each. */
export type Part = readonly [text: string, style?: Style | undefined]

export type StyledLine = readonly Part[]

/** Cuts a line to a number of columns, with `…` where something is missing. */
export function cutLine(line: StyledLine, width: number): StyledLine {
  const total = line.reduce((sum, [text]) => sum + text.length, 0)
  if (total <= width) return line
  let left = width
  return line.flatMap(([text, style]): readonly Part[] => {
    const room = left
    left -= text.length
    if (room <= 0) return []
    return [[text.length < room ? text : `${text.slice(0, room - 1)}…`, style]]
  })
}

/** A text in a column of this width, cut with `…` where it is longer. */
export function cell(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(width - 1, 0))}…` : text.padEnd(width)
}

/** The same, at the right of its column. */
export function numberCell(text: string, width: number): string {
  return text.padStart(width)
}
