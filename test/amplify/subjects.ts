import { stageFrom } from '../../lib/definition.js'
import { InvalidOptionError } from '../../lib/errors.js'
import type { Option } from '../../lib/options/option.js'
import type { Values } from '../../lib/options/option-values.js'
import { type Factories, fitted, type StageChoice } from '../fuzz/stage-list.js'

/** A list of stages that is measured for one of them. */
export interface Subject {
  /** The stage that is measured. */
  readonly stage: string
  /** Its values, and what stands in front of it, for people. */
  readonly title: string
  readonly list: readonly StageChoice[]
  /** The same list without the stage, where its time is not counted. */
  readonly without?: readonly StageChoice[]
}

/** Values that are measured instead of those at the ends of the range: time is real, and texts have a usual length. */
const SPECIAL: Readonly<Record<string, readonly unknown[]>> = {
  'throttle.bytesPerSecond': [1_000_000_000_000],
  'throttle.framesPerSecond': [1_000_000_000_000],
  'throttle.burst': [1_000_000],
  'tee.to': ['copy'],
  'tee.maxPending': [65_536],
  'gunzip.maxOutput': [1_048_576],
  'prefix.text': ['a prefix of 45 bytes, as in a log of a server: '],
  'number.separator': [' | '],
  'number.width': [16],
  'replace.text': ['a'],
  'replace.by': ['bb'],
  'grep.text': ['a'],
  'welcome.text': ['hello\n'],
  'take.count': [1_000_000_000],
  'delimited.delimiters': [';', ['\0', '\0\n', '\r\n']],
  'toDelimited.delimiter': [';'],
  'fixedLength.length': [1, 1024],
  'toFixedLength.length': [1],
  'lengthPrefixed.adjustment': [1],
  'toLengthPrefixed.adjustment': [-1],
  'lengthPrefixed.offset': [1],
  'toLengthPrefixed.offset': [1],
}

/** Lengths for options that have no better values: the shortest, and a usual one. */
const LENGTHS = [1, 1024]

const FRAMES: StageChoice = ['delimited', { delimiters: ';' }]

/** Behind `FRAMES` this makes many short chunks out of one read, for a stage that takes bytes. */
const SHORT_CHUNKS: StageChoice = ['toDelimited', { delimiter: ';' }]

/** Every stage of the factories, with its defaults and with each of its options at each value that may cost most. */
export function subjects(factories: Factories): readonly Subject[] {
  return [...factories].flatMap(([stage, { definition }]) => {
    const { arguments: list, options, accepts, emits } = definition
    const table = { ...list, ...options }
    const needed = Object.entries(table).filter(
      ([name, { presence }]) => presence === 'required' || Object.hasOwn(list, name),
    )
    const base = Object.fromEntries(needed.map(([name, option]) => [name, valuesOf(stage, name, option)[0]]))
    const others = Object.entries(table).flatMap(([name, option]) =>
      valuesOf(stage, name, option).map(value => ({ ...base, [name]: value })),
    )
    const variants = [base, ...others].filter(values => isPossible(stage, values, factories))
    const unique = [...new Map(variants.map(values => [JSON.stringify(values), values])).values()]
    const passesBytes = (accepts === 'bytes' || accepts === 'any') && (emits === 'bytes' || emits === 'same')
    return unique.flatMap((values, index) => {
      const choice: StageChoice = [stage, values]
      const title = `${stage}${shown(values)}`
      // For some stages an item means something only behind a decoder.
      const own = fitted(accepts === 'any' ? [FRAMES, choice] : [choice], factories)
      const subject = { stage, title, list: own }
      if (index > 0 || !passesBytes) return [subject]
      const without = fitted([FRAMES, SHORT_CHUNKS], factories)
      const list = fitted([FRAMES, SHORT_CHUNKS, choice], factories)
      return [subject, { stage, title: `short chunks | ${title}`, list, without }]
    })
  })
}

function valuesOf(stage: string, name: string, option: Option): readonly unknown[] {
  const special = SPECIAL[`${stage}.${name}`]
  if (special !== undefined) return special
  const { type, choices = [], minimum = 0, maximum = 0 } = option
  if (type === 'choice') return choices
  if (type === 'boolean') return [true, false]
  if (type !== 'integer') return []
  return LENGTHS.filter(value => value >= minimum && value <= maximum)
}

function isPossible(stage: string, values: Values, factories: Factories): boolean {
  try {
    stageFrom(factories.get(stage) as never, values)
    return true
  } catch (error) {
    if (error instanceof InvalidOptionError) return false
    throw error
  }
}

function shown(values: Values): string {
  const text = Object.entries(values)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ')
  return text === '' ? '' : ` (${text})`
}
