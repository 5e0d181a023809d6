import { builtIn, camelCase, find, kebabCase, namesOf } from '../../config/registry.js'
import type { StageFactory } from '../../definition.js'
import type { OptionTable } from '../../options/option.js'

/** One thing that can stand where the cursor is. */
export interface Completion {
  readonly value: string
  readonly summary: string
}

/** The stages. */
export function stageCompletions(): readonly Completion[] {
  return [...builtIn().stages.values()].map(({ definition: { name, summary } }) => ({
    value: kebabCase(name),
    summary,
  }))
}

/** What a text can become: its last stage gets a name, an option, or the value of one. */
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
    // What needs quotes would need them inside of those of the text.
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
