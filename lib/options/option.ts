import { showValue } from './show-value.js'

/** What a number counts: text and files may then also write it as a size (`4KiB`) or a duration (`30s`). */
export type Unit = 'bytes' | 'bytes/s' | 'ms'

/** Whether an option must be given, has a default, or may be absent. */
export type Presence = 'required' | 'default' | 'optional'

/**
 * One option or argument: what people read about it, and what its values are. Everything else that knows of options
 * (flags, files, JSON Schema, the docs) reads it here.
 */
export interface Option<Value = unknown, Present extends Presence = Presence> {
  /** `code` is a value that only code can give, such as a function. */
  readonly type: 'text' | 'bytes' | 'integer' | 'boolean' | 'choice' | 'code'
  /** What it does, in a phrase without a full stop. */
  readonly help: string
  /** Whole sentences that only an editor shows, behind `help`. */
  readonly details?: string
  readonly presence: Present
  /** What stands for it when it is absent. */
  readonly default?: Value
  /** Says what happens when it is absent, where no value can say so. */
  readonly absent?: string
  readonly unit?: Unit
  readonly minimum?: number
  readonly maximum?: number
  readonly choices?: readonly (string | number)[]
  /** Several values may be given, as a list. */
  readonly isList: boolean
  /** What code may give beyond what a text or a file can say, such as `a Writable`. */
  readonly inCode?: string
  /** Says what is wrong with a value, such as `'keep' is true or false; got 1`; undefined when it is allowed. */
  readonly refusal: (name: string, value: unknown) => string | undefined
  /** The same for a text or a file, where code may give more. */
  readonly writtenRefusal?: Option['refusal']
  /** Turns what a text or a file gives, once it is not refused, into the value that code takes. */
  readonly fromWritten?: (value: unknown) => Value
}

/** What everything that makes an option takes. */
export interface About<Value> {
  /** What it does, in a phrase without a full stop. */
  readonly help: string
  /** Whole sentences that only an editor shows, behind `help`. */
  readonly details?: string
  /** What stands for it when it is absent. */
  readonly default?: Value
  /** It must be given. An argument always must. */
  readonly required?: true
  /** Says what happens when it is absent, where there is no default. */
  readonly absent?: string
}

/** What the description of an option says of its presence. */
export type PresenceOf<Description> = Description extends { readonly required: true }
  ? 'required'
  : Description extends { readonly default: unknown }
    ? 'default'
    : 'optional'

/** What `integer()` takes. */
export interface IntegerAbout extends About<number> {
  /** The smallest value. @default 0 */
  readonly minimum?: number
  /** The largest value. @default Number.MAX_SAFE_INTEGER */
  readonly maximum?: number
  readonly unit?: Unit
}

/** A whole number. */
export function integer<const Description extends IntegerAbout>(
  about: Description,
): Option<number, PresenceOf<Description>> {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = about
  const isAllowed = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
  const refuse = unless(isAllowed, `is a whole number, from ${minimum} to ${maximum}`)
  return option('integer', refuse, about, { minimum, maximum })
}

/** `true` or `false`. */
export function boolean<const Description extends About<boolean>>(
  about: Description,
): Option<boolean, PresenceOf<Description>> {
  return option(
    'boolean',
    unless(value => typeof value === 'boolean', 'is true or false'),
    about,
  )
}

/** What `text()` and `bytes()` take. */
export interface TextAbout extends About<string> {
  /** The least number of characters, or of bytes: 1 refuses the empty text. @default 0 */
  readonly minimum?: 0 | 1
}

/** A string. */
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

/** Bytes, or a string that stands for its UTF-8. */
export function bytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array, PresenceOf<Description>> {
  const { minimum = 0 } = about
  return option('bytes', refuseBytes(minimum), about, { minimum })
}

/** The same, or a list of them; a text gives the option several times. */
export function listOfBytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array | readonly (string | Uint8Array)[], PresenceOf<Description>> {
  const { minimum = 0 } = about
  const refuseItem = refuseBytes(minimum)
  // The message about an item of a list is the same as that about a single value.
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

/** One of several texts or numbers. */
export function choice<
  const Choices extends readonly (string | number)[],
  const Description extends About<Choices[number]>,
>(choices: Choices, about: Description): Option<Choices[number], PresenceOf<Description>> {
  const isChoice = (value: unknown) => choices.includes(value as string | number)
  const refuse = unless(isChoice, `is one of ${choices.map(showValue).join(', ')}`)
  return option('choice', refuse, about, { choices })
}

/** A function, which only code can give. */
export function callback<Function extends (...parameters: never) => unknown>(
  about: About<never> & { readonly inCode: string },
): Option<Function, 'optional'> {
  return option('code', unless(isFunction, 'is a function'), about, { inCode: about.inCode })
}

/** An option whose value code may also give as a function. */
export function orFunction<
  Function extends (...parameters: never) => unknown,
  Value,
  Present extends Presence,
>(written: Option<Value, Present>, inCode: string): Option<Value | Function, Present> {
  const refusal: Option['refusal'] = (name, value) =>
    isFunction(value) ? undefined : written.refusal(`${name} (if no function)`, value)
  return Object.freeze({ ...written, inCode, refusal, writtenRefusal: written.refusal })
}

/** An option whose value code may also give as something that no text can say. */
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

/** Says what is wrong with a value, without the option's name; undefined when it is allowed. */
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

/** Arguments or options by name; arguments in their order. */
export type OptionTable = Readonly<Record<string, Option>>
