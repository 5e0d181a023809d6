import { builtIn, camelCase, find, kebabCase, namesOf } from '../../config/registry.js'
import type { StageFactory } from '../../definition.js'
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
  const typed = words.at(-1) ?? name
  const before = text.slice(0, text.length - typed.length)
  const values = words.length === 0 ? names() : optionsOf(name, words)
  return values.map(({ value, summary }) => ({ value: before + value, summary }))
}

function names(): readonly Completion[] {
  const registry = builtIn()
  return namesOf(registry, 'text').map(name => ({
    value: name,
    summary: (find(registry, name) as StageFactory).definition.summary,
  }))
}

function optionsOf(stage: string, words: readonly string[]): readonly Completion[] {
  const definition = find(builtIn(), stage)?.definition
  if (definition === undefined) return []
  const table: OptionTable = { ...definition.arguments, ...definition.options }
  const choices = table[camelCase((words.at(-2) ?? '').replace(/^--/, ''))]?.choices
  if (choices !== undefined) {
    // Not those that need quotes: they would have to be nested in the quotes around the text.
    return choices
      .map(String)
      .filter(choice => /^\w+$/.test(choice))
      .map(value => ({ value, summary: '' }))
  }
  return Object.entries(definition.options).map(([name, { help }]) => ({
    value: `--${kebabCase(name)}`,
    summary: help,
  }))
}
