import type { Span } from './problem.js'

/** A value of a text or a file, and its place. */
export interface GivenValue {
  readonly value: unknown
  readonly at: Span
}

/** A value with the name of its option. */
export interface GivenOption extends GivenValue {
  readonly name: string
  /** The place of the name; `at` is that of the value. */
  readonly nameAt: Span
}

/** One stage of a text or a file, before it is looked up. */
export interface Step {
  /** In camel or kebab case, or `preset:` and the name of a preset. */
  readonly name: string
  /** The place of the name. */
  readonly at: Span
  /** The arguments, in order. */
  readonly arguments: readonly GivenValue[]
  /** The options, and the arguments that are given by name. */
  readonly options: readonly GivenOption[]
}
