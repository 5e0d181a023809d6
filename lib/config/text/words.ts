import { type Command, parse, type Word as ShellWord, type Statement, type WordPart } from 'unbash'
import type { Problem, Span } from '../problem.js'

/** One word of a text, with its quotes removed. */
export interface Word {
  readonly value: string
  readonly at: Span
}

/** The words of one stage. */
export interface StageWords {
  readonly name: Word
  /** The words behind the name. */
  readonly words: readonly Word[]
}

/** The words of each stage of a text; no stages where there are problems. */
export interface Words {
  readonly stages: readonly StageWords[]
  readonly problems: readonly Problem[]
}

/** The parts of a word that are plain text; a shell would replace every other part. */
const PLAIN_PARTS = ['Literal', 'SingleQuoted', 'DoubleQuoted', 'AnsiCQuoted', 'Glob']

/**
 * Splits a text into stages at each `|`, and these into words, with the quotes of a shell. Nothing is evaluated: where a
 * shell would replace something there is a problem. Only `*`, `?` and `[` are plain text.
 */
export function splitWords(given: string): Words {
  const text = withLineFeeds(given)
  const { commands: statements, errors = [] } = parse(text)
  const unclosed = errors.find(({ pos }) => /['"$`]/.test(text.charAt(pos)))
  if (unclosed !== undefined) return { stages: [], problems: [notClosed(text, unclosed.pos)] }
  const stages = statements.flatMap(commandsOf).flatMap(wordsOf)
  const wrong = betweenWords(text, stages)
  const problems = wrong === undefined ? stages.flat().flatMap(replaced) : [wrong]
  return { stages: problems.length > 0 ? [] : stages.map(stageWords), problems }
}

/** Quoted parts and escapes, which stay as they are, and the CR of a line that ends in CRLF. */
const CR_OR_QUOTED = /\$'(?:[^'\\]|\\.)*'|'[^']*'|"(?:[^"\\]|\\.)*"|\\[^\r]|(\\?)\r(?=\n|$)/gs

/** Replaces the CR of each CRLF, and one at the end, by a space outside of quotes. No offset changes. */
function withLineFeeds(text: string): string {
  return text.replace(CR_OR_QUOTED, (part, backslash?: string) =>
    backslash === undefined ? part : ` ${backslash}`,
  )
}

/** The plain commands of a statement. Any other syntax is left out here, and `betweenWords` finds it. */
function commandsOf({ command }: Statement): readonly Command[] {
  const parts = command.type === 'AndOr' ? command.commands : [command]
  return parts
    .flatMap(part => (part.type === 'Pipeline' ? part.commands : [part]))
    .filter((part): part is Command => part.type === 'Command')
}

/** The words of a command; none where it has no name, such as a bare redirection. */
function wordsOf({ name, suffix }: Command): readonly [NamedWords] | readonly [] {
  const isWord = (part: { readonly type: string }): part is ShellWord => part.type === 'Word'
  return name === undefined ? [] : [[name, ...suffix.filter(isWord)]]
}

type NamedWords = readonly [ShellWord, ...ShellWord[]]

function stageWords([name, ...others]: NamedWords): StageWords {
  const unquoted = ({ value, pos, end }: ShellWord) => ({ value, at: { start: pos, end } })
  return { name: unquoted(name), words: others.map(unquoted) }
}

/** Finds what the parser did not take as a word: one `|` must stand between two stages, and elsewhere only white space. */
function betweenWords(text: string, stages: readonly NamedWords[]): Problem | undefined {
  let from = 0
  for (const [index, words] of stages.entries()) {
    for (const [position, { pos, end }] of words.entries()) {
      const wrong = gap(text, from, pos, position === 0 && index > 0 ? 1 : 0)
      if (wrong !== undefined) return wrong
      from = end
    }
  }
  return gap(text, from, text.length, 0)
}

/** Finds what is wrong with the gap between two words, in which a number of `|` must stand. */
function gap(text: string, from: number, until: number, pipes: number): Problem | undefined {
  // A backslash at the end of a line joins it with the next one.
  const signs = [...text.slice(from, until).matchAll(/\|[|&]?|(?!\\\n)[^\s|][^\s|]*/g)].map(
    ({ 0: sign, index }) => ({
      sign,
      at: { start: from + index, end: from + index + sign.length },
    }),
  )
  const surplus = signs.findIndex(({ sign }, index) => sign !== '|' || index >= pipes)
  const [first, next] = signs.slice(surplus)
  if (surplus !== -1 && first !== undefined) {
    if (first.sign !== '|') return foreign(first)
    if (text.slice(from, first.at.start).includes('\n')) return lineBegins(first.at)
    if (from > 0 && next !== undefined && next.sign !== '|') return foreign(next)
    return {
      at: first.at,
      message: "A stage is missing at this '|'.",
      remedy: "Name one, or take the '|' away.",
    }
  }
  if (signs.length === pipes) return undefined
  return {
    at: { start: until, end: until + 1 },
    message: 'A second pipeline begins here.',
    remedy: 'Separate stages by |, also at the end of a line.',
  }
}

function lineBegins(at: Span): Problem {
  return {
    at,
    message: "A line begins with this '|'.",
    remedy: 'Put it at the end of the line before.',
  }
}

function foreign({ sign, at }: { readonly sign: string; readonly at: Span }): Problem {
  return {
    at,
    message: `'${sign}' is not part of a pipeline text.`,
    remedy: 'Separate stages by one |, and put other text in single quotes.',
  }
}

function notClosed(text: string, start: number): Problem {
  const sign = text.charAt(start)
  return sign === '$' || sign === '`'
    ? notReplaced(text.slice(start), { start, end: text.length })
    : {
        at: { start, end: start + 1 },
        message: 'The quote that begins here is not closed.',
        remedy: `Add a ${sign} at its end.`,
      }
}

/** The problems of the parts of a word that a shell would replace, also inside its quotes. */
function replaced(word: ShellWord | WordPart): readonly Problem[] {
  const { type, pos, text } = word
  if (type !== 'Word' && !PLAIN_PARTS.includes(type)) {
    // The end that the parser gives may lie behind that of the text.
    return [notReplaced(text, { start: pos, end: pos + text.length })]
  }
  return 'parts' in word ? (word.parts ?? []).flatMap(replaced) : []
}

function notReplaced(text: string, at: Span): Problem {
  return {
    at,
    message: `'${text}' is not replaced here, as a shell would do.`,
    remedy: 'Put it in single quotes where it is meant as text.',
  }
}
