import { KINDS, type Kind } from './kind.js'
import type { OptionTable } from './options/option.js'
import type { AnyStage } from './stage.js'

/** What a stage takes and gives instead, when an option is given, or has a value. */
export interface Variant {
  /** The name of the option. */
  readonly option: string
  /** The value that makes the difference; without it, any. */
  readonly value?: string
  readonly accepts?: Kind | 'any'
  readonly emits?: Kind | 'same'
}

/** What is known of a stage before there is one: what a catalogue shows, and a text or a file is checked against. */
export interface Definition {
  /** The name of the stage, in texts, files and errors. */
  readonly name: string
  /** What it does, in one line without a full stop. */
  readonly summary: string
  /** What it takes; `any` takes every kind. */
  readonly accepts: Kind | 'any'
  /** What it gives; `same` is the kind that came in. */
  readonly emits: Kind | 'same'
  readonly variant?: Variant
  /** The option or argument that bounds, in bytes, what the stage keeps of what has come; none where it keeps nothing. */
  readonly holds?: string
  /** What must be given, in order; before the options. */
  readonly arguments: OptionTable
  readonly options: OptionTable
  /** The stage in use, as texts for the command line. */
  readonly examples: readonly string[]
}

/** The key of a factory's function that makes a stage of values by name, without checking them. */
export const fromChecked = Symbol('fromChecked')

/** A function that makes a stage of its arguments and options, with the definition that it goes by. */
export type StageFactory<
  Factory extends (...parameters: never) => AnyStage = (...parameters: never) => AnyStage,
> = Factory & {
  readonly definition: Definition
  /** @internal */
  readonly [fromChecked]?: (values: Readonly<Record<string, unknown>>) => AnyStage
}

/** Whether a value is a function that `defineStage()` made. */
export function isStageFactory(value: unknown): value is StageFactory {
  if (typeof value !== 'function') return false
  return typeof (value as Partial<StageFactory>).definition?.name === 'string'
}

/**
 * A factory for what a module exports under a name: the factory itself, or for a stage, which takes no options, one that
 * gives it; undefined for anything else. A pipeline goes by the name that it is exported under.
 */
export function stageFactoryOf(exportName: string, value: unknown): StageFactory | undefined {
  if (isStageFactory(value)) return value
  if (!isStage(value)) return undefined
  const { accepts, emits, stages } = value
  const name = stages === undefined ? value.name : exportName
  const definition = { name, summary: '', accepts, emits, arguments: {}, options: {}, examples: [] }
  return Object.assign(() => value, { definition })
}

/** Makes a stage of arguments and options by name, as a text or a file has them, that are checked already. */
export function stageFrom(factory: StageFactory, values: Readonly<Record<string, unknown>>): AnyStage {
  const make = factory[fromChecked] ?? (factory as unknown as (values: object) => AnyStage)
  return make(values)
}

function isStage(value: unknown): value is AnyStage {
  if (typeof value !== 'object' || value === null) return false
  const { name, accepts, open, stream, stages } = value as Partial<AnyStage>
  const isKnown = accepts === 'any' || KINDS.includes(accepts as Kind)
  return typeof name === 'string' && isKnown && (open ?? stream ?? stages) !== undefined
}
