import { type Definition, fromChecked, type StageFactory, type StageMemory } from './definition.js'
import type { Option, OptionTable } from './options/option.js'
import type { GivenOf, OptionsOf, OptionValues, RequiredNames, SettingsOf } from './options/option-values.js'
import { checkValue, defaultsOf, givenOptions, type Values } from './options/option-values.js'
import type { AnyStage } from './stage.js'

/** One argument: an object whose only key is the name. A list of such objects gives the arguments their order. */
type Argument = OptionTable

type ArgumentSettings<Arguments> = Arguments extends readonly [infer First, ...infer Others]
  ? OptionValues<First, keyof First> & ArgumentSettings<Others>
  : unknown

type ArgumentValue<Each> = Each extends { readonly presence: 'default' } ? [GivenOf<Each>?] : [GivenOf<Each>]

type ArgumentValues<Arguments> = Arguments extends readonly [infer First, ...infer Others]
  ? [...ArgumentValue<First[keyof First]>, ...ArgumentValues<Others>]
  : []

type OptionsParameter<Options> = keyof Options extends never
  ? []
  : RequiredNames<Options> extends never
    ? [options?: OptionsOf<Options>]
    : [options: OptionsOf<Options>]

/** The definition that `defineStage()` takes. */
export interface StageAbout<Arguments, Options, Made>
  extends Pick<Definition, 'name' | 'summary' | 'accepts' | 'emits'>,
    Partial<Pick<Definition, 'variant' | 'examples' | 'isProposed'>> {
  /**
   * The arguments, in order: `[{ text: text({ help: 'what to look for' }) }]`. All are required, but for those with a default. A
   * list at the end takes every word of a text that is left. @default none
   */
  readonly arguments?: Arguments
  /** The options, by name. @default none */
  readonly options?: Options
  /**
   * The memory that a stage takes for one connection: `{ perItem: 2 }` for one that adds two bytes to each item, or a function
   * that tells it from the settings. @default unknown, as `bywash explain` then says
   */
  readonly memory?:
    | StageMemory
    | ((
        settings: ArgumentSettings<Arguments> & SettingsOf<Options>,
        given: Partial<OptionValues<Options, keyof Options>>,
      ) => StageMemory)
  /**
   * Makes the stage, once for each call of the factory. `settings` has all arguments and options by name, checked and
   * with their defaults; `given` has only the options that the caller gave.
   */
  readonly make: (
    settings: ArgumentSettings<Arguments> & SettingsOf<Options>,
    given: Partial<OptionValues<Options, keyof Options>>,
  ) => Made
}

/**
 * Makes a stage factory: a function of arguments and options that returns a stage. Its types and checks come from one
 * definition, and so does its form in texts, in files and in `bywash stages`.
 *
 * @returns The factory. It throws an InvalidOptionError for arguments or options that the definition does not allow.
 * @example
 * const repeat = defineStage({
 *   name: 'repeat',
 *   summary: 'repeats each line',
 *   accepts: 'line',
 *   emits: 'line',
 *   options: { times: integer({ minimum: 1, maximum: 9, default: 2, help: 'how often each line comes' }) },
 *   memory: ({ times }) => ({ perByte: times }),
 *   make: ({ times }) => map('repeat', line => line.repeat(times)),
 * })
 */
export function defineStage<
  Made extends AnyStage,
  const Arguments extends readonly Argument[] = readonly [],
  const Options extends OptionTable = Readonly<Record<never, Option>>,
>(
  about: StageAbout<Arguments, Options, Made>,
): StageFactory<(...parameters: [...ArgumentValues<Arguments>, ...OptionsParameter<Options>]) => Made> {
  const { make, arguments: list = [], options = {}, ...rest } = about
  const table: OptionTable = Object.freeze(Object.assign({}, ...list))
  const definition: Definition = Object.freeze({
    examples: [],
    ...rest,
    arguments: table,
    options: Object.freeze({ ...options }),
  })
  const build = (settings: Values, given: Values): Made => {
    const made = make(settings as Parameters<typeof make>[0], given as Parameters<typeof make>[1])
    remember(made, definition, settings, given)
    return made
  }
  const factory = (...parameters: unknown[]): Made => {
    const { settings, given } = checkParameters(definition, parameters)
    return build(settings, given)
  }
  const fromValues = (values: Values): Made => {
    const names = Object.keys(options).filter(name => values[name] !== undefined)
    const given = Object.fromEntries(names.map(name => [name, values[name]]))
    return build({ ...defaultsOf(options), ...defaultsOf(table), ...values }, given)
  }
  Object.defineProperty(factory, 'name', { value: about.name })
  return Object.freeze(Object.assign(factory, { definition, [fromChecked]: fromValues }))
}

/** The definition, the arguments and the options that a stage was made from. */
export interface Origin {
  readonly definition: Definition
  /** The arguments and options that the caller gave, by name. */
  readonly given: Readonly<Record<string, unknown>>
  /** The same, with defaults filled in. */
  readonly settings: Readonly<Record<string, unknown>>
}

const origins = new WeakMap<AnyStage, Origin>()

/** The origin of a stage; undefined for one that was not made by a factory of `defineStage()`. */
export function originOf(stage: AnyStage): Origin | undefined {
  return origins.get(stage)
}

/** The memory that a stage takes; undefined where it does not say. */
export function memoryOf(stage: AnyStage): StageMemory | undefined {
  const origin = origins.get(stage)
  const memory = origin?.definition.memory
  return typeof memory === 'function' ? memory(origin?.settings as never, origin?.given as never) : memory
}

function remember(stage: AnyStage, definition: Definition, settings: Values, options: Values): void {
  const names = Object.keys(definition.arguments)
  const list = Object.fromEntries(names.map(name => [name, settings[name]]))
  origins.set(stage, { definition, given: { ...list, ...options }, settings })
}

/** Checks the parameters of a factory's call at once, so that the stack leads to the line to change. */
function checkParameters(
  definition: Definition,
  parameters: readonly unknown[],
): { settings: Values; given: Values } {
  const owner = `${definition.name}()`
  const names = Object.keys(definition.arguments)
  const values = names.map((name, index) => {
    const option = definition.arguments[name] as Option
    const { [index]: parameter = option.default } = parameters
    return [name, checkValue(owner, name, option, parameter)]
  })
  const settings: Values = Object.fromEntries(values)
  const given = givenOptions(owner, definition.options, parameters[names.length])
  return { settings: { ...defaultsOf(definition.options), ...given, ...settings }, given }
}
