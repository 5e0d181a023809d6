import type { Definition } from '../definition.js'
import type { Option, OptionTable } from '../options/option.js'
import { didYouMean } from './did-you-mean.js'
import type { Problem } from './problem.js'
import { kebabCase, type Spelling } from './registry.js'
import type { GivenOption, GivenValue, Step } from './step.js'
import { optionValue } from './value.js'

/**
 * Reads and checks the values of a step, by the names of its arguments and options, as `stageFrom` takes them. A wrong
 * value is left out and adds a problem.
 */
export function stepValues(
  step: Step,
  definition: Definition,
  spelling: Spelling,
  problems: Problem[],
): Readonly<Record<string, unknown>> {
  return new StepValues(step, definition, spelling, problems).read()
}

/** One reading of the values of a step. */
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
      if (one === undefined || option === undefined) continue
      if (this.#takesRest(index)) this.#takeList(name, option, given.slice(index))
      else this.#take(name, option, one)
    }
    const surplus = this.#takesRest(this.#names.length - 1) ? undefined : given[this.#names.length]
    // Where an option is unknown, one argument too many may be its value.
    if (surplus !== undefined && isClear) this.#surplus(surplus)
    for (const option of options) this.#option(option)
    if (!isClear) return {}
    for (const [name, { presence, help }] of Object.entries(this.#table)) {
      const isNeeded = presence === 'required' || (this.#names.includes(name) && presence !== 'default')
      if (isNeeded && !this.#seen.has(name)) this.#missing(name, help)
    }
    return Object.fromEntries(this.#values)
  }

  #surplus(given: GivenValue): void {
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

  /** Whether an argument takes all values from its own on. */
  #takesRest(index: number): boolean {
    return index === this.#names.length - 1 && this.#table[this.#names[index] as string]?.isList === true
  }

  #takeList(name: string, option: Option, given: readonly GivenValue[]): void {
    const values = given.map(one => {
      this.#take(name, option, one)
      return this.#values.get(name)
    })
    this.#values.set(name, values.flat())
  }

  #take(name: string, option: Option, { value, at }: GivenValue): void {
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
    // The first part of the help is enough here.
    this.#refuse(this.#step, `needs '${this.#spell(name)}': ${help.replace(/[:;].*/s, '')}.`, '')
  }

  #refuse({ at }: Pick<GivenValue, 'at'>, message: string, remedy: string): void {
    this.#problems.push({ at, message: `Stage '${this.#step.name}' ${message}`, remedy })
  }

  /** Writes a name as the user would: an option of a text begins with two dashes. */
  #spell(name: string): string {
    return this.#spelling === 'file' || this.#names.includes(name) ? name : `--${kebabCase(name)}`
  }
}
