import { builtIn, camelCase, find, kebabCase, namesOf } from '../../config/registry.js'
import type { Definition, StageFactory } from '../../definition.js'
import type { OptionTable } from '../../options/option.js'

/** A candidate for the word under the cursor. */
export interface Completion {
  readonly value: string
  readonly summary: string
}

/** Completes the name of a stage. */
export function stageCompletions(): readonly Completion[] {
  return [...builtIn().stages.values()].map(({ definition: { name, summary } }) => ({
    value: kebabCase(name),
    summary,
  }))
}

/** Completes the text of a pipeline: the name of its last stage, an option of that, or the option's value. */
export function textCompletions(text: string): readonly Completion[] {
  const stage = text.slice(text.lastIndexOf('|') + 1).trimStart()
  const [name = '', ...words] = stage.split(/\s+/)
  const [flag = '', written] = splitFlag(words.at(-1) ?? name)
  const typed = written ?? flag
  const before = text.slice(0, text.length - typed.length)
  const option = written === undefined ? words.at(-2) : flag
  const values = words.length === 0 ? names() : optionsOf(name, words.slice(0, -1), option ?? '', written)
  return values.map(({ value, summary }) => ({ value: before + value, summary }))
}

/** Splits `--overflow=skip` into the flag and its value; any other word is left whole. */
function splitFlag(word: string): readonly string[] {
  return /^(--[^=]+)=(.*)$/s.exec(word)?.slice(1) ?? [word]
}

function names(): readonly Completion[] {
  const registry = builtIn()
  return namesOf(registry, 'text').map(name => ({
    value: name,
    summary: (find(registry, name) as StageFactory).definition.summary,
  }))
}

/** The values of an option, where it has choices, and else the flags of the stage, where one may stand. */
function optionsOf(
  stage: string,
  before: readonly string[],
  option: string,
  written: string | undefined,
): readonly Completion[] {
  const definition = find(builtIn(), stage)?.definition
  if (definition === undefined || isBehindCommand(definition, before)) return []
  const table: OptionTable = { ...definition.arguments, ...definition.options }
  const choices = table[camelCase(option.replace(/^--/, ''))]?.choices
  if (choices !== undefined) {
    // Not those that need quotes: they would have to be nested in the quotes around the text.
    return choices
      .map(String)
      .filter(choice => /^\w+$/.test(choice))
      .map(value => ({ value, summary: '' }))
  }
  if (written !== undefined) return []
  return Object.entries(definition.options).map(([name, { help }]) => ({
    value: `--${kebabCase(name)}`,
    summary: help,
  }))
}

/** Whether the words before the last one have the first argument of a stage that takes any number, behind which no option stands. */
function isBehindCommand({ arguments: list }: Definition, before: readonly string[]): boolean {
  const isFlag = (word = '') => word.startsWith('--')
  return (
    Object.values(list).at(-1)?.isList === true &&
    before.some((word, index) => !isFlag(word) && !isFlag(before[index - 1]))
  )
}
