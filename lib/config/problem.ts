import columns from 'string-width'
import { printable } from '../printable.js'

/** Where something stands in a text: offsets as `slice()` takes them. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Something to correct in a text or a file. */
export interface Problem {
  readonly at: Span
  /** What is wrong: a sentence. */
  readonly message: string
  /** What to change: a sentence, or nothing. */
  readonly remedy: string
}

/** Shows problems below the line that they stand in, with a caret under the place. */
export function showProblems(text: string, problems: readonly Problem[]): string {
  return problems.map(problem => showProblem(text, problem)).join('\n')
}

function showProblem(text: string, { at, message, remedy }: Problem): string {
  const from = text.lastIndexOf('\n', at.start - 1) + 1
  const until = text.indexOf('\n', at.start)
  const line = text.slice(from, until === -1 ? undefined : until)
  const end = Math.min(at.end, from + line.length)
  const marks = '^'.repeat(Math.max(1, columns(text.slice(at.start, end))))
  return [
    `error: ${message}${remedy === '' ? '' : ` ${remedy}`}`,
    `  ${printable(line)}`,
    `  ${' '.repeat(columns(text.slice(from, at.start)))}${marks}`,
  ].join('\n')
}
