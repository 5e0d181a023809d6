import columns from 'string-width'

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

/** So many problems are shown; who has more reads the first ones first. */
const MOST_SHOWN = 20

/** What is quoted in a message may be as long as the text. */
const LONGEST_MESSAGE = 500

/** How many characters of a long line are shown: before the place, of the place, and behind it. */
const BEFORE = 60
const MARKED = 60
const BEHIND = 60

/** Shows problems below the line that they stand in, with a caret under the place. */
export function showProblems(text: string, problems: readonly Problem[]): string {
  const shown = problems.slice(0, MOST_SHOWN).map(problem => showProblem(text, problem))
  const others = problems.length - shown.length
  return [...shown, ...(others === 0 ? [] : [`and ${others} more`])].join('\n')
}

function showProblem(text: string, { at, message, remedy }: Problem): string {
  const line = lineAround(text, at.start)
  const before = [...visible(text.slice(line.start, at.start))]
  const marked = [...visible(text.slice(at.start, Math.min(at.end, line.end)))]
  const behind = [...visible(text.slice(Math.max(at.start, Math.min(at.end, line.end)), line.end))]
  const indent = before.length > BEFORE ? `…${before.slice(-BEFORE).join('')}` : before.join('')
  const place = cut(marked, MARKED)
  return [
    `error: ${cut([...visible(message)], LONGEST_MESSAGE)}${remedy === '' ? '' : ` ${remedy}`}`,
    `  ${indent}${place}${cut(behind, BEHIND)}`.trimEnd(),
    `  ${' '.repeat(columns(indent))}${'^'.repeat(Math.max(1, columns(place)))}`,
  ].join('\n')
}

/** A text of the user's own, without characters that would move what a terminal shows. */
function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}

/** The line that a place stands in; a line feed stands at the end of its line. */
function lineAround(text: string, at: number): Span {
  const end = text.indexOf('\n', at)
  return {
    start: at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1,
    end: end === -1 ? text.length : end,
  }
}

function cut(characters: readonly string[], length: number): string {
  return characters.length > length ? `${characters.slice(0, length).join('')}…` : characters.join('')
}
