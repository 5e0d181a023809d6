import type { Span } from './problem.js'

/** A value, and where it stands. */
export interface Given {
  readonly value: unknown
  readonly at: Span
}

/** A value with the name of its option; `at` is where the value stands. */
export interface GivenOption extends Given {
  readonly name: string
  readonly nameAt: Span
}

/** One stage of a list, as a text or a file has it. */
export interface Step {
  /** In camel or kebab case, or `preset:` and the name of a preset. */
  readonly name: string
  /** Where the name stands. */
  readonly at: Span
  /** The arguments in their order. */
  readonly arguments: readonly Given[]
  /** Options, and arguments that are given by name. */
  readonly options: readonly GivenOption[]
}
