import { type Unit, unitRule } from './quantity.js'
import { showValue } from './show-value.js'

/** Whether an option must be given, has a default value, or may be absent. */
export type Presence = 'required' | 'default' | 'optional'

/**
 * One option or argument: its help and its values. Flags, files, the JSON Schema and the docs are all made from these
 * objects.
 */
export interface Option<Value = unknown, Present extends Presence = Presence> {
  /** The form of the values in texts and files; `code` for values that only code can give, such as a function. */
  readonly type: 'text' | 'bytes' | 'integer' | 'boolean' | 'choice' | 'code'
  /** The purpose, in a phrase without a full stop. */
  readonly help: string
  /** Whole sentences that only an editor shows, behind `help`. */
  readonly details?: string
  readonly presence: Present
  /** The value when it is absent. */
  readonly default?: Value
  /** The effect of leaving it out, for the docs, where there is no default value. */
  readonly absent?: string
  readonly unit?: Unit
  readonly minimum?: number
  readonly maximum?: number
  readonly choices?: readonly (string | number)[]
  /** Whether the value may be a list. */
  readonly isList: boolean
  /** The values that code may give beyond those of a text or a file, in words for the docs, such as `a Writable`. */
  readonly inCode?: string
  /** The fault of a value, such as `'keep' is true or false; got 1`; undefined when the value is allowed. */
  readonly refusal: (name: string, value: unknown) => string | undefined
  /** The fault of a value in a text or a file, only where code may give more than those. */
  readonly writtenRefusal?: Option['refusal']
  /** Turns what a text or a file gives, once it is not refused, into the value that code takes. */
  readonly fromWritten?: (value: unknown) => Value
}

/** The description that `integer()`, `text()` and the like take. */
export interface About<Value> {
  /** The purpose, in a phrase without a full stop. */
  readonly help: string
  /** Whole sentences that only an editor shows, behind `help`. */
  readonly details?: string
  /** The value when it is absent. @default none */
  readonly default?: Value
  /** True where it must be given. An argument must be given, unless it has a default. @default not required */
  readonly required?: true
  /** The effect of leaving it out, for the docs, where there is no default value. */
  readonly absent?: string
}

/** The presence of an option, from the type of its description. */
export type PresenceOf<Description> = Description extends { readonly required: true }
  ? 'required'
  : Description extends { readonly default: unknown }
    ? 'default'
    : 'optional'

/** The description that `integer()` takes. */
export interface IntegerAbout extends About<number> {
  /** The smallest value. @default 0 */
  readonly minimum?: number
  /** The largest value. @default Number.MAX_SAFE_INTEGER */
  readonly maximum?: number
  readonly unit?: Unit
}

/** Makes an option whose value is a whole number. */
export function integer<const Description extends IntegerAbout>(
  about: Description,
): Option<number, PresenceOf<Description>> {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = about
  const isAllowed = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
  const range = `a whole number, from ${minimum} to ${maximum}`
  const refuse: Refuse = value =>
    isAllowed(value) ? undefined : `is ${unitRule(value, about.unit) ?? range}; got ${showValue(value)}`
  return option('integer', refuse, about, { minimum, maximum })
}

/** Makes an option whose value is `true` or `false`. */
export function boolean<const Description extends About<boolean>>(
  about: Description,
): Option<boolean, PresenceOf<Description>> {
  return option(
    'boolean',
    unless(value => typeof value === 'boolean', 'is true or false'),
    about,
  )
}

/** The description that `text()` and `bytes()` take. */
export interface TextAbout extends About<string> {
  /** The smallest number of characters, or of bytes; 1 refuses the empty text. @default 0 */
  readonly minimum?: 0 | 1
}

/** Makes an option whose value is a string. */
export function text<const Description extends TextAbout>(
  about: Description,
): Option<string, PresenceOf<Description>> {
  const { minimum = 0 } = about
  const refuse: Refuse = value => {
    if (typeof value !== 'string') return `is text; got ${showValue(value)}`
    return value.length < minimum ? `has at least one character; got ${showValue(value)}` : undefined
  }
  return option('text', refuse, about, { minimum })
}

/** Makes an option whose value is a list of strings, or one. As the last argument of a stage it takes all that are left. */
export function listOfText<const Description extends About<readonly string[]>>(
  about: Description,
): Option<string | readonly string[], PresenceOf<Description>> {
  const refuse: Refuse = value => {
    const wrong = [value].flat().filter(item => typeof item !== 'string')
    return wrong.length === 0 ? undefined : `is a list of texts; got ${showValue(wrong[0])}`
  }
  return option('text', refuse, about, { isList: true })
}

/** Makes an option whose value is bytes, or a string that stands for its UTF-8. */
export function bytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array, PresenceOf<Description>> {
  const { minimum = 0 } = about
  return option('bytes', refuseBytes(minimum), about, { minimum })
}

/** Makes an option whose value is bytes, a string, or a list of them. A text gives the option several times. */
export function listOfBytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array | readonly (string | Uint8Array)[], PresenceOf<Description>> {
  const { minimum = 0 } = about
  const refuseItem = refuseBytes(minimum)
  // The message about an item of a list is that about a single value.
  const refuse: Refuse = value => {
    for (const item of Array.isArray(value) ? value : [value]) {
      const refusal = refuseItem(item)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
  return option('bytes', refuse, about, { minimum, isList: true })
}

function refuseBytes(minimum: 0 | 1): Refuse {
  return value => {
    const isAllowed = (typeof value === 'string' || value instanceof Uint8Array) && value.length >= minimum
    if (isAllowed) return undefined
    return minimum === 0
      ? `is a string or a Buffer; got ${typeof value}`
      : `is text or bytes, at least one; got ${showValue(value)}`
  }
}

/** Makes an option whose value is one of several strings or numbers. */
export function choice<
  const Choices extends readonly (string | number)[],
  const Description extends About<Choices[number]>,
>(choices: Choices, about: Description): Option<Choices[number], PresenceOf<Description>> {
  const isChoice = (value: unknown) => choices.includes(value as string | number)
  const refuse = unless(isChoice, `is one of ${choices.map(showValue).join(', ')}`)
  return option('choice', refuse, about, { choices })
}

/** Makes an option whose value is a function, which only code can give. */
export function callback<Function extends (...parameters: never) => unknown>(
  about: About<never> & { readonly inCode: string },
): Option<Function, 'optional'> {
  return option('code', unless(isFunction, 'is a function'), about, { inCode: about.inCode })
}

/** Makes an option like another one whose value may, in code, also be a function. */
export function orFunction<
  Function extends (...parameters: never) => unknown,
  Value,
  Present extends Presence,
>(written: Option<Value, Present>, inCode: string): Option<Value | Function, Present> {
  const refusal: Option['refusal'] = (name, value) =>
    isFunction(value) ? undefined : written.refusal(`${name} (if no function)`, value)
  return Object.freeze({ ...written, inCode, refusal, writtenRefusal: written.refusal })
}

/** Makes an option like another one whose value may, in code, also be something that no text can say. */
export function orCode<Code, Value, Present extends Presence>(
  written: Option<Value, Present>,
  code: { readonly inCode: string; readonly isCode: (value: unknown) => boolean; readonly wants: string },
): Option<Value | Code, Present> {
  const { inCode, isCode, wants } = code
  const isAllowed = (value: unknown) => isCode(value) || written.refusal('', value) === undefined
  const refusal: Option['refusal'] = (name, value) =>
    isAllowed(value) ? undefined : `'${name}' ${wants}; got ${showValue(value)}`
  return Object.freeze({ ...written, inCode, refusal, writtenRefusal: written.refusal })
}

/** The fault of a value, without the option's name; undefined when the value is allowed. */
type Refuse = (value: unknown) => string | undefined

function unless(isAllowed: (value: unknown) => boolean, rule: string): Refuse {
  return value => (isAllowed(value) ? undefined : `${rule}; got ${showValue(value)}`)
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

function option<Value, Present extends Presence>(
  type: Option['type'],
  refuse: Refuse,
  about: About<Value>,
  more: Partial<Option<Value>> = {},
): Option<Value, Present> {
  const presence = about.required === true ? 'required' : about.default === undefined ? 'optional' : 'default'
  return Object.freeze({
    isList: false,
    ...about,
    ...more,
    type,
    presence: presence as Present,
    refusal: (name: string, value: unknown) => {
      const refusal = refuse(value)
      return refusal === undefined ? undefined : `'${name}' ${refusal}`
    },
  })
}

/** Options by name, or arguments by name in their order. */
export type OptionTable = Readonly<Record<string, Option>>
