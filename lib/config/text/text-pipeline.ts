import { isUtf8 } from 'node:buffer'
import type { Definition } from '../../definition.js'
import type { Option, OptionTable } from '../../options/option.js'
import { type Built, pipelineOf } from '../build-pipeline.js'
import type { Problem } from '../problem.js'
import { camelCase, find, type Registry } from '../registry.js'
import type { GivenOption, GivenValue, Step } from '../step.js'
import { unescapeBytes } from './escapes.js'
import { valuesInWords } from './option-words.js'
import { splitWords, type Word } from './words.js'

/**
 * Builds the pipeline that a text describes, such as `lines --max-length 4KiB | uppercase | to-lines`.
 *
 * @param log - Gets the lines that presets print. @default the log of the registry
 */
export function pipelineOfText(text: string, registry: Registry, log = registry.log): Built {
  const { steps, problems } = stepsOfText(text, registry)
  const at = { start: 0, end: text.length }
  if (steps.length === 0 && problems.length === 0) {
    const remedy = "Write stages such as 'lines | uppercase | to-lines', or 'echo' for none."
    return { pipeline: undefined, problems: [{ at, message: 'The text has no stage.', remedy }] }
  }
  const built = pipelineOf(steps, { ...registry, log }, 'text')
  return problems.length === 0
    ? built
    : {
        pipeline: undefined,
        problems: [...problems, ...built.problems].sort((a, b) => a.at.start - b.at.start),
      }
}

/** The longest text, far more than people write. */
const MAX_CHARACTERS = 65_536

/** Splits a text into steps. A value is a string, or bytes where its escapes are not UTF-8. */
export function stepsOfText(
  text: string,
  registry: Registry,
): { readonly steps: readonly Step[]; readonly problems: readonly Problem[] } {
  if (text.length > MAX_CHARACTERS) {
    const at = { start: MAX_CHARACTERS, end: text.length }
    const remedy = 'Write a file.'
    return {
      steps: [],
      problems: [{ at, message: `The text is longer than ${MAX_CHARACTERS} characters.`, remedy }],
    }
  }
  const { stages, problems } = splitWords(text)
  const wrong = [...problems]
  const steps = stages.map(({ name, words }) => {
    const definition = find(registry, name.value)?.definition
    const values = definition === undefined ? NO_VALUES : readWords(words, definition, wrong)
    return { name: name.value, at: name.at, ...values }
  })
  return { steps, problems: wrong }
}

const NO_VALUES = { arguments: [], options: [] }

/** Sorts the words of a stage into arguments and options with their values. */
function readWords(
  words: readonly Word[],
  definition: Definition,
  problems: Problem[],
): Pick<Step, 'arguments' | 'options'> {
  const names = Object.keys(definition.arguments)
  const last = definition.arguments[names.at(-1) ?? '']
  const table: OptionTable = { ...definition.arguments, ...definition.options }
  const given: GivenValue[] = []
  const options: GivenOption[] = []
  const left = [...words]
  let onlyArguments = false
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word.value === '--' && !onlyArguments) {
      onlyArguments = true
    } else if (onlyArguments || !word.value.startsWith('--')) {
      const option = table[names[given.length] ?? ''] ?? (last?.isList ? last : undefined)
      given.push(option === undefined ? word : readValue(option, word, problems))
      // Behind the first argument of a stage that takes any number, words are not its options, as with a shell's `env`.
      onlyArguments ||= last?.isList === true
    } else {
      options.push(...readOption(word, table, left, problems))
    }
  }
  return { arguments: given, options: lists(options, table) }
}

/** Reads one option; its value may be the next of the words that are left. */
function readOption(
  word: Word,
  table: OptionTable,
  left: Word[],
  problems: Problem[],
): readonly GivenOption[] {
  const sign = word.value.indexOf('=')
  const flag = word.value.slice(2, sign === -1 ? undefined : sign)
  const written = sign === -1 ? undefined : word.value.slice(sign + 1)
  const { at, at: nameAt } = word
  const name = camelCase(flag)
  const option = ownOf(table, name)
  if (option === undefined) {
    const negated = camelCase(flag.replace(/^no-/, ''))
    const isNegated = negated !== name && written === undefined && ownOf(table, negated)?.type === 'boolean'
    return [
      isNegated ? { name: negated, nameAt, value: false, at } : { name: flag, nameAt, value: undefined, at },
    ]
  }
  if (written !== undefined) return [{ name, nameAt, ...readValue(option, { value: written, at }, problems) }]
  if (option.type === 'boolean') return [{ name, nameAt, value: true, at }]
  const next = left.shift()
  if (next !== undefined) return [{ name, nameAt, ...readValue(option, next, problems) }]
  if (option.type === 'code') return [{ name, nameAt, value: undefined, at }]
  problems.push({ at, message: `'--${flag}' needs a value: ${valuesInWords(option)}.`, remedy: '' })
  return []
}

function ownOf(table: OptionTable, name: string): Option | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** Reads a word as the value of an option, and replaces the escapes where that is text or bytes. */
function readValue({ type }: Option, { value, at }: Word, problems: Problem[]): GivenValue {
  if (type !== 'text' && type !== 'bytes' && type !== 'choice') return { value, at }
  try {
    const bytes = unescapeBytes(value)
    return { value: isUtf8(bytes) ? bytes.toString() : bytes, at }
  } catch (error) {
    const remedy = 'There are \\n, \\r, \\t, \\0 and \\xHH; write \\\\ for a backslash.'
    problems.push({ at, message: `${(error as Error).message}.`, remedy })
    return { value: '', at }
  }
}

/** Joins the values of an option that is given several times, where the option takes a list. */
function lists(options: readonly GivenOption[], table: OptionTable): readonly GivenOption[] {
  const together = new Map<string, GivenOption>()
  const others: GivenOption[] = []
  for (const option of options) {
    const before = together.get(option.name)
    if (ownOf(table, option.name)?.isList !== true) others.push(option)
    else
      together.set(option.name, {
        ...option,
        ...before,
        value: [...((before?.value as unknown[]) ?? []), option.value],
      })
  }
  return [...others, ...together.values()]
}
