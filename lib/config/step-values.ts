import type { Definition } from '../definition.js'
import type { Option, OptionTable } from '../options/option.js'
import { didYouMean } from './did-you-mean.js'
import type { Problem } from './problem.js'
import { kebabCase, type Spelling } from './registry.js'
import type { Given, GivenOption, Step } from './step.js'
import { optionValue } from './value.js'

/** The values of a step by the names of its arguments and options, for `stageFrom`; those that are wrong are left out. */
export function valuesOf(
  step: Step,
  definition: Definition,
  spelling: Spelling,
  problems: Problem[],
): Readonly<Record<string, unknown>> {
  return new StepValues(step, definition, spelling, problems).read()
}

class StepValues {
  readonly #step: Step
  readonly #names: readonly string[]
  readonly #table: OptionTable
  readonly #spelling: Spelling
  readonly #problems: Problem[]
  readonly #values = new Map<string, unknown>()
  readonly #seen = new Set<string>()

  constructor(step: Step, definition: Definition, spelling: Spelling, problems: Problem[]) {
    this.#step = step
    this.#names = Object.keys(definition.arguments)
    this.#table = { ...definition.arguments, ...definition.options }
    this.#spelling = spelling
    this.#problems = problems
  }

  read(): Readonly<Record<string, unknown>> {
    const { arguments: given, options } = this.#step
    const isClear = options.every(({ name }) => Object.hasOwn(this.#table, name))
    for (const [index, name] of this.#names.entries()) {
      const [one, option] = [given[index], this.#table[name]]
      if (one !== undefined && option !== undefined) this.#take(name, option, one)
    }
    const surplus = given[this.#names.length]
    // Behind an option that nobody knows it may be the value of that.
    if (surplus !== undefined && isClear) this.#surplus(surplus)
    for (const option of options) this.#option(option)
    if (!isClear) return {}
    for (const [name, { presence, help }] of Object.entries(this.#table)) {
      const isNeeded = presence === 'required' || this.#names.includes(name)
      if (isNeeded && !this.#seen.has(name)) this.#missing(name, help)
    }
    return Object.fromEntries(this.#values)
  }

  #surplus(given: Given): void {
    const list = this.#names.map(name => `'${name}'`).join(' and ')
    const takes = list === '' ? 'no argument' : `only ${list}`
    const near = didYouMean(
      String(given.value),
      Object.keys(this.#table).map(name => this.#spell(name)),
    )
    const quotes = this.#spelling === 'text' && list !== '' ? 'Put a text with spaces in quotes.' : ''
    this.#refuse(given, `takes ${takes}; this is one more.`, near || quotes)
  }

  #option(option: GivenOption): void {
    const { name, nameAt: at } = option
    const known = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined
    if (known === undefined) {
      const names = Object.keys(this.#table).map(name => this.#spell(name))
      const all = names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`
      const spelt = this.#spell(name)
      this.#refuse({ at }, `has no option '${spelt}'.`, didYouMean(spelt, names) || all)
    } else if (this.#seen.has(name)) {
      this.#refuse({ at }, `has '${this.#spell(name)}' twice.`, 'Take one away.')
    } else {
      this.#take(name, known, option)
    }
  }

  #take(name: string, option: Option, { value, at }: Given): void {
    this.#seen.add(name)
    const read = optionValue(this.#spell(name), option, value)
    if ('value' in read) this.#values.set(name, read.value)
    else
      this.#problems.push({
        at,
        message: `Stage '${this.#step.name}': ${read.refusal}.`,
        remedy: read.remedy,
      })
  }

  #missing(name: string, help: string): void {
    // Up to its details.
    this.#refuse(this.#step, `needs '${this.#spell(name)}': ${help.replace(/[:;].*/s, '')}.`, '')
  }

  #refuse({ at }: Pick<Given, 'at'>, message: string, remedy: string): void {
    this.#problems.push({ at, message: `Stage '${this.#step.name}' ${message}`, remedy })
  }

  /** A name as it is written: options of a text begin with two dashes. */
  #spell(name: string): string {
    return this.#spelling === 'file' || this.#names.includes(name) ? name : `--${kebabCase(name)}`
  }
}
