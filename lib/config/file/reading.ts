import type { Problem } from '../problem.js'
import type { Registry } from '../registry.js'
import type { Environment } from './environment.js'

/** The surroundings of one reading of a file, which every function that reads a part of it gets. */
export interface Reading {
  /** The source of the values of `${NAME}`. */
  readonly environment: Environment
  /** The stages and presets that the file can name. */
  readonly registry: Registry
  /** The folder that relative paths start from. */
  readonly folder: string
  /** Whether the certificates that the file names are read from disk. */
  readonly readsCertificates: boolean
  /** The problems so far; each part adds its own. */
  readonly problems: Problem[]
  /** Things to change in a file that can be served as it is. */
  readonly warnings: Problem[]
}
