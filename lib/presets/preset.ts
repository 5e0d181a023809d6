import { defineStage, type StageAbout } from '../define-stage.js'
import type { Definition } from '../definition.js'
import type { Option, OptionTable } from '../options/option.js'
import type { Pipeline } from '../pipeline.js'
import type { LinesOptions } from '../stages/index.js'

/** The options that a preset may take; each preset says which. */
export interface PresetOptions {
  /** The text that a client gets first. */
  readonly banner?: string
  /** The longest line, in bytes. */
  readonly maxLength?: number | string
  /** The handling of a longer line. @default 'error' */
  readonly overflow?: NonNullable<LinesOptions['overflow']>
  /** How many of the last lines a client of a chat is sent when it joins. */
  readonly history?: number
  /** Gets the lines that the preset prints, such as those of `counter`. @default nobody */
  readonly log?: (line: string) => void
}

/** The facts of a preset that its command prints when the server listens. */
interface Greeting {
  /** The words before the address. */
  readonly title: string
  /** A command that tries the server, for a host and a port. */
  readonly trial: (host: string, port: number) => string
}

/** A named pipeline that the command line serves. */
export interface Preset extends Greeting, Pick<Definition, 'name' | 'summary'> {
  /** The preset as a stage, with the options that a text, a file or a flag can say. */
  readonly definition: Definition
  /** Makes the pipeline. Options that the preset does not take are left out. */
  readonly pipeline: (options?: PresetOptions) => Pipeline<Buffer, Buffer>
}

/** Makes a preset of a stage from bytes to bytes whose `make` returns a pipeline. */
export function preset<const Options extends OptionTable = Readonly<Record<never, Option>>>({
  title,
  trial,
  ...about
}: Greeting & Omit<StageAbout<readonly [], Options, Pipeline<Buffer, Buffer>>, 'accepts' | 'emits'>): Preset {
  const stage = defineStage({ ...about, accepts: 'bytes', emits: 'bytes' })
  const { definition } = stage
  const make = stage as unknown as (options: PresetOptions) => Pipeline<Buffer, Buffer>
  // Only code can give a log.
  const { log, ...options } = definition.options
  return {
    name: definition.name,
    summary: definition.summary,
    title,
    trial,
    definition: { ...definition, options },
    pipeline: (given = {}) => {
      const own = Object.entries(given).filter(([name]) => Object.hasOwn(definition.options, name))
      return make(Object.fromEntries(own))
    },
  }
}
