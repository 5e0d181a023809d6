import type { Pipeline } from '../pipeline.js'
import type { LinesOptions } from '../stages/index.js'

/** The options that a preset may take; each preset says which. */
export interface PresetOptions {
  /** The text that a client gets first. */
  readonly banner?: string
  /** The longest line, in bytes. */
  readonly maxLength?: number
  /** What happens to a longer line. */
  readonly overflow?: NonNullable<LinesOptions['overflow']>
  /** Where the preset's own lines go, such as those of the counter. @default nowhere */
  readonly log?: (line: string) => void
}

/** A named pipeline that the command line serves. */
export interface Preset {
  readonly name: string
  /** What a client gets, in one line. */
  readonly summary: string
  /** What stands before the address when the listener is up. */
  readonly title: string
  /** A command that tries it, for a host and a port. */
  readonly trial: (host: string, port: number) => string
  /** The defaults of the options it takes; it takes no others. */
  readonly defaults: Omit<PresetOptions, 'log'>
  /** Makes the pipeline. */
  readonly pipeline: (options?: PresetOptions) => Pipeline<Buffer, Buffer>
}
