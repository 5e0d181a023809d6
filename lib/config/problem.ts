import columns from 'string-width'
import { substituteIn } from './typography.js'

/** A range of a text or a file: offsets as `slice()` takes them. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Something to correct in a text or a file. */
export interface Problem {
  readonly at: Span
  /** A sentence that says what is wrong. */
  readonly message: string
  /** A sentence that says what to change; may be empty. */
  readonly remedy: string
}

/** The remedy of a problem in a text or a file. A character that only looks like the right one comes before all else. */
export function remedyIn(text: string, { at, remedy }: Problem): string {
  return substituteIn(text.slice(at.start, at.end)) || remedy
}

/** The number of problems that are shown; the others are only counted. */
const MAX_SHOWN = 20

/** A message may quote a word that is as long as the whole text. */
const MAX_MESSAGE_CHARACTERS = 500

/** The characters that are shown of a long line: before the marked place, of the place itself, and behind it. */
const MAX_CHARACTERS = { before: 60, marked: 60, behind: 60 }

/** Shows each problem with the line that it stands in, and carets under the place. */
export function showProblems(text: string, problems: readonly Problem[]): string {
  const shown = problems.slice(0, MAX_SHOWN).map(problem => showProblem(text, problem))
  const others = problems.length - shown.length
  return [...shown, ...(others === 0 ? [] : [`and ${others} more`])].join('\n')
}

function showProblem(text: string, problem: Problem): string {
  const { at, message } = problem
  const remedy = remedyIn(text, problem)
  const line = lineAround(text, at.start)
  const before = [...visible(text.slice(line.start, at.start))]
  const marked = [...visible(text.slice(at.start, Math.min(at.end, line.end)))]
  const behind = [...visible(text.slice(Math.max(at.start, Math.min(at.end, line.end)), line.end))]
  const indent =
    before.length > MAX_CHARACTERS.before
      ? `…${before.slice(-MAX_CHARACTERS.before).join('')}`
      : before.join('')
  const place = cut(marked, MAX_CHARACTERS.marked)
  return [
    `error: ${cut([...visible(message)], MAX_MESSAGE_CHARACTERS)}${remedy === '' ? '' : ` ${remedy}`}`,
    `  ${indent}${place}${cut(behind, MAX_CHARACTERS.behind)}`.trimEnd(),
    `  ${' '.repeat(columns(indent))}${'^'.repeat(Math.max(1, columns(place)))}`,
  ].join('\n')
}

/** Replaces control characters and the like, which could move the cursor of the terminal or hide text. */
function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}

/** The line around an offset, without its CR where it ends in CRLF; a line feed belongs to the line that it ends. */
function lineAround(text: string, at: number): Span {
  const ending = /\r?\n|\r?$/g
  ending.lastIndex = Math.min(at, text.length)
  return {
    start: at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1,
    end: (ending.exec(text) as RegExpExecArray).index,
  }
}

function cut(characters: readonly string[], length: number): string {
  return characters.length > length ? `${characters.slice(0, length).join('')}…` : characters.join('')
}
