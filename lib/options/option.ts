import * as v from 'valibot'
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
  const message = wants(`is a whole number, from ${minimum} to ${maximum}`)
  const schema = v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(minimum, message),
    v.maxValue(maximum, message),
  )
  return option('integer', schema, about, { minimum, maximum })
}

/** `true` or `false`. */
export function boolean<const Description extends About<boolean>>(
  about: Description,
): Option<boolean, PresenceOf<Description>> {
  return option('boolean', v.boolean(wants('is true or false')), about)
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
  const schema = v.pipe(v.string(wants('is text')), v.minLength(minimum, wants('has at least one character')))
  return option('text', schema, about, { minimum })
}

/** Bytes, or a string that stands for its UTF-8. */
export function bytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array, PresenceOf<Description>> {
  return option('bytes', bytesSchema(about), about, { minimum: about.minimum ?? 0 })
}

/** The same, or a list of them; a text gives the option several times. */
export function listOfBytes<const Description extends TextAbout>(
  about: Description,
): Option<string | Uint8Array | readonly (string | Uint8Array)[], PresenceOf<Description>> {
  const one = bytesSchema(about)
  // What is wrong with an item of the list is said as of a single value.
  const schema = v.lazy(value => (Array.isArray(value) ? v.array(one) : one))
  return option('bytes', schema, about, { minimum: about.minimum ?? 0, isList: true })
}

function bytesSchema({ minimum = 0 }: TextAbout) {
  const message =
    minimum === 0
      ? ({ input }: v.BaseIssue<unknown>) => `is a string or a Buffer; got ${typeof input}`
      : wants('is text or bytes, at least one')
  return v.pipe(
    v.custom<string | Uint8Array>(value => typeof value === 'string' || value instanceof Uint8Array, message),
    v.check(({ length }) => length >= minimum, message),
  )
}

/** One of several texts or numbers. */
export function choice<
  const Choices extends readonly (string | number)[],
  const Description extends About<Choices[number]>,
>(choices: Choices, about: Description): Option<Choices[number], PresenceOf<Description>> {
  return option(
    'choice',
    v.picklist(choices, wants(`is one of ${choices.map(showValue).join(', ')}`)),
    about,
    {
      choices,
    },
  )
}

/** A function, which only code can give. */
export function callback<Function extends (...parameters: never) => unknown>(
  about: About<never> & { readonly inCode: string },
): Option<Function, 'optional'> {
  return option('code', v.custom<Function>(isFunction, wants('is a function')), about, {
    inCode: about.inCode,
  })
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

function wants(what: string): (issue: v.BaseIssue<unknown>) => string {
  return ({ input }) => `${what}; got ${showValue(input)}`
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

function option<Schema extends v.GenericSchema, Present extends Presence>(
  type: Option['type'],
  schema: Schema,
  about: About<v.InferInput<Schema>>,
  more: Partial<Option<v.InferInput<Schema>>> = {},
): Option<v.InferInput<Schema>, Present> {
  const presence = about.required === true ? 'required' : about.default === undefined ? 'optional' : 'default'
  return Object.freeze({
    isList: false,
    ...about,
    ...more,
    type,
    presence: presence as Present,
    refusal: (name: string, value: unknown) => {
      const { issues } = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
      return issues === undefined ? undefined : `'${name}' ${issues[0].message}`
    },
  })
}

/** Arguments or options by name; arguments in their order. */
export type OptionTable = Readonly<Record<string, Option>>
