import { KINDS, type Kind } from './kind.js'
import type { OptionTable } from './options/option.js'
import type { AnyStage } from './stage.js'

/** The kinds that a stage takes and gives instead, depending on one of its options. */
export interface Variant {
  /** The name of that option. */
  readonly option: string
  /** The value of the option for which the kinds hold. @default any value */
  readonly value?: string
  readonly accepts?: Kind | 'any'
  readonly emits?: Kind | 'same'
}

/**
 * The memory that a stage takes for one connection, in bytes. A line counts as many bytes as it has in UTF-8, a value as
 * many as its JSON text.
 */
export interface StageMemory {
  /** The most that goes out for each byte that comes in. @default 1 */
  readonly perByte?: number
  /** The most that is added to each item. @default 0 */
  readonly perItem?: number
  /** The most that is added to the output of one read, whatever its length. @default 0 */
  readonly perRead?: number
  /** The most items that are made of one byte, by a stage that takes bytes. @default 1 */
  readonly itemsPerByte?: number
  /** The longest frame that it makes of bytes: an unfinished one is kept from read to read, and then goes out. @default 0 */
  readonly frame?: number
  /** Further bytes that it keeps from read to read. @default 0 */
  readonly keeps?: number
  /** The most items that wait on each side of it, where it is a stream. @default 16, or one chunk of bytes */
  readonly waiting?: number
  /** The longest chunk that it gives, where it is a stream that makes chunks of its own. @default any */
  readonly chunk?: number
}

/**
 * The description of a kind of stage, such as `grep`, before one is made: `bywash stages` shows it, and texts and files are
 * checked against it.
 */
export interface Definition {
  /** The name of the stage, in texts, files and errors. */
  readonly name: string
  /** The purpose, in one line without a full stop. */
  readonly summary: string
  /** The kind that the stage takes; `any` takes every kind. */
  readonly accepts: Kind | 'any'
  /** The kind that the stage gives; `same` is the kind that came in. */
  readonly emits: Kind | 'same'
  /** The kinds that depend on an option. */
  readonly variant?: Variant
  /**
   * The memory that a stage takes, or a function that tells it from the arguments and options, as `make` gets them; `{}` for
   * a stage that makes nothing longer and keeps nothing. `bywash explain` names a stage without it as unknown.
   */
  readonly memory?: StageMemory | ((settings: never, given: never) => StageMemory)
  /** The arguments, in order, before the options. All are required, but for those with a default. */
  readonly arguments: OptionTable
  readonly options: OptionTable
  /** False for a stage of one protocol, which is not proposed where a list lacks a stage between two kinds. @default true */
  readonly isProposed?: boolean
  /** The stage in use, as texts for the command line. */
  readonly examples: readonly string[]
}

/** The key of a factory's function that makes a stage of values by name, without checking them. */
export const fromChecked = Symbol('fromChecked')

/** A function that makes a stage from arguments and options, with the definition of both. Made by `defineStage()`. */
export type StageFactory<
  Factory extends (...parameters: never) => AnyStage = (...parameters: never) => AnyStage,
> = Factory & {
  readonly definition: Definition
  /** @internal */
  readonly [fromChecked]?: (values: Readonly<Record<string, unknown>>) => AnyStage
}

/** Whether a value is a stage factory, as its shape shows: a function with a definition that has a name. */
export function isStageFactory(value: unknown): value is StageFactory {
  if (typeof value !== 'function') return false
  return typeof (value as Partial<StageFactory>).definition?.name === 'string'
}

/**
 * The factory for an export of a module: the export itself when it is one; for a stage a factory without options that
 * returns it; undefined for anything else. A pipeline is known by the name of the export, since its own name lists its
 * stages.
 */
export function stageFactoryOf(exportName: string, value: unknown): StageFactory | undefined {
  if (isStageFactory(value)) return value
  if (!isStage(value)) return undefined
  const { accepts, emits, stages } = value
  const name = stages === undefined ? value.name : exportName
  const definition = { name, summary: '', accepts, emits, arguments: {}, options: {}, examples: [] }
  return Object.assign(() => value, { definition })
}

/** Makes a stage of checked arguments and options that are all given by name, as a text or a file has them. */
export function stageFrom(factory: StageFactory, values: Readonly<Record<string, unknown>>): AnyStage {
  const make = factory[fromChecked] ?? (factory as unknown as (values: object) => AnyStage)
  return make(values)
}

/** Whether a value is a stage or a pipeline, as its shape shows. */
export function isStage(value: unknown): value is AnyStage {
  if (typeof value !== 'object' || value === null) return false
  const { name, accepts, open, stream, stages } = value as Partial<AnyStage>
  const isKnown = accepts === 'any' || KINDS.includes(accepts as Kind)
  return typeof name === 'string' && isKnown && (open ?? stream ?? stages) !== undefined
}
