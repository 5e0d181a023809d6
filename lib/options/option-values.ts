import { InvalidOptionError } from '../errors.js'
import { isObject } from './check-option.js'
import type { Option, OptionTable, Presence } from './option.js'
import { numberIn } from './quantity.js'
import { showValue } from './show-value.js'

/** Values of options by name, where their types are not known. */
export type Values = Record<string, unknown>

/** Checks an object that may hold the options of a table and no others, and returns a copy with those that are given. */
export function givenOptions(owner: string, table: OptionTable, options: unknown): Values {
  const names = Object.keys(table)
  const required = names.filter(name => table[name]?.presence === 'required')
  if (options === undefined && required.length === 0) return {}
  if (options === undefined) {
    throw new InvalidOptionError(
      `${owner} takes options with ${required.map(name => `'${name}'`).join(', ')}.`,
    )
  }
  if (!isObject(options)) {
    const takes = names.length === 0 ? 'no options' : 'an object of options'
    throw new InvalidOptionError(`${owner} takes ${takes}; got ${showValue(options)}.`)
  }
  const unknown = Object.keys(options).find(name => !Object.hasOwn(table, name))
  if (unknown !== undefined) {
    const known = names.length === 0 ? 'none' : names.join(', ')
    throw new InvalidOptionError(`${owner} has no option '${unknown}'. It takes ${known}.`)
  }
  return checkValues(owner, table, options)
}

/** Takes the options of a table out of an object that may hold others too, checked, and with their defaults. */
export function settingsFrom<Options extends OptionTable>(
  owner: string,
  table: Options,
  options: object,
): SettingsOf<Options> {
  return { ...defaultsOf(table), ...checkValues(owner, table, options) } as SettingsOf<Options>
}

function checkValues(owner: string, table: OptionTable, options: object): Values {
  const given: Values = {}
  for (const [name, option] of Object.entries(table)) {
    const value = (options as Values)[name]
    if (value === undefined && option.presence !== 'required') continue
    given[name] = checkValue(owner, name, option, value)
  }
  return given
}

/** Checks a value that code gives, and returns it; a text that stands for a number becomes that number. */
export function checkValue(owner: string, name: string, option: Option, given: unknown): unknown {
  const value = valueInCode(option, given)
  const refusal = option.refusal(name, value)
  if (refusal !== undefined) throw new InvalidOptionError(`${owner}: ${refusal}.`)
  return value
}

/** Reads a text as a text or a file would have it, such as `5m` or the value of an environment variable. */
function valueInCode({ type, unit, writtenRefusal, fromWritten }: Option, given: unknown): unknown {
  if (type === 'integer') return numberIn(given, unit)
  const isWritten = fromWritten !== undefined && typeof given === 'string'
  return isWritten && writtenRefusal?.('', given) === undefined ? fromWritten(given) : given
}

export function defaultsOf(table: OptionTable): Values {
  return Object.fromEntries(Object.entries(table).map(([name, option]) => [name, option.default]))
}

/** The type of an option's values, once they are checked. */
export type ValueOf<Each> = Each extends Option<infer Value, Presence> ? Value : never

/** The type of what code may give for an option: a text such as `'5m'` may stand for a number. */
export type GivenOf<Each> =
  number extends Extract<ValueOf<Each>, number> ? ValueOf<Each> | string : ValueOf<Each>

/** The names of the options that must be given. */
export type RequiredNames<Options> = {
  [Name in keyof Options]: Options[Name] extends { readonly presence: 'required' } ? Name : never
}[keyof Options]

/**
 * The values of some options, by name. It is a homomorphic mapped type, so an editor shows for each property the comment
 * of the option that it comes from.
 */
export type OptionValues<Options, Names extends keyof Options> = {
  readonly [Name in Names]: ValueOf<Options[Name]>
}

/** The values that code may give for some options, by name. */
type GivenValues<Options, Names extends keyof Options> = {
  readonly [Name in Names]: GivenOf<Options[Name]>
}

/** The same, where each may be left out; undefined is as good, such as a variable that the environment does not have. */
type PossibleValues<Options, Names extends keyof Options> = {
  readonly [Name in Names]?: GivenOf<Options[Name]> | undefined
}

/** The type of the object that a factory with these options takes. */
export type OptionsOf<Options> = GivenValues<Options, RequiredNames<Options>> &
  PossibleValues<Options, Exclude<keyof Options, RequiredNames<Options>>>

/** The type of the object that `make` gets: the same with defaults filled in. */
export type SettingsOf<Options> = {
  readonly [Name in keyof Options]:
    | ValueOf<Options[Name]>
    | (Options[Name] extends { readonly presence: 'optional' } ? undefined : never)
}
