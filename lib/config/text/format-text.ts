import { originOf } from '../../define-stage.js'
import type { Definition } from '../../definition.js'
import type { Option } from '../../options/option.js'
import { formatQuantity, type Unit } from '../../options/quantity.js'
import type { AnyStage } from '../../stage.js'
import { kebabCase } from '../registry.js'
import { escapeBytes } from './escapes.js'
import { splitWords } from './words.js'

/**
 * Writes a list of stages, such as those of a pipeline, as a text that gives the same list again. For a stage that
 * `defineStage()` did not make, only its name is written, and values that only code can give are left out.
 *
 * @example
 * formatText(pipeline().through(lines({ maxLength: 4096 })).stages) // lines --max-length 4096
 */
export function formatText(stages: readonly AnyStage[]): string {
  // A text cannot be empty; the preset 'echo' has no stage.
  return stages.length === 0 ? 'echo' : stages.map(formatStage).join(' | ')
}

/** Writes one stage, with its arguments and options. */
export function formatStage(stage: AnyStage): string {
  const origin = originOf(stage)
  return origin === undefined ? quoted(stage.name) : formatCall(origin.definition, origin.given)
}

function formatCall(definition: Definition, values: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(definition.arguments).flatMap(([name, { unit }]) => {
    return [values[name]].flat().flatMap(value => (isText(value) ? escaped(value, unit) : []))
  })
  const options = Object.entries(definition.options).flatMap(([name, option]) =>
    formatOption(name, option, values[name]),
  )
  // Behind '--' every word is an argument.
  const end = given.some(value => value.startsWith('--')) ? ['--'] : []
  return [kebabCase(definition.name), ...options, ...end, ...given].map(quoted).join(' ')
}

function formatOption(name: string, { unit }: Option, value: unknown): readonly string[] {
  const flag = kebabCase(name)
  if (typeof value === 'boolean') return [value ? `--${flag}` : `--no-${flag}`]
  return [value].flat().flatMap(one => (isText(one) ? [`--${flag}`, escaped(one, unit)] : []))
}

type Text = string | number | Uint8Array

/** Whether a text can give the value; functions and streams are for code only. */
function isText(value: unknown): value is Text {
  return typeof value === 'string' || typeof value === 'number' || value instanceof Uint8Array
}

function escaped(value: Text, unit: Unit | undefined): string {
  if (typeof value !== 'number') return escapeBytes(value)
  // Only a time needs its unit.
  return unit === 'ms' ? formatQuantity(value, unit) : String(value)
}

/** Puts a word in quotes where it needs them. */
function quoted(word: string): string {
  const { stages, problems } = splitWords(word)
  const isPlain = problems.length === 0 && stages[0]?.name.value === word
  return isPlain ? word : `'${word.replaceAll("'", "'\\''")}'`
}
