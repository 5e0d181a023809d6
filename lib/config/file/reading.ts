import type { Problem } from '../problem.js'
import type { Registry } from '../registry.js'
import type { Environment } from './environment.js'

/** What every part of the reader gets. */
export interface Reading {
  readonly environment: Environment
  readonly registry: Registry
  /** The folder that relative paths start from. */
  readonly folder: string
  /** Whether the certificates that the file names are read. */
  readonly readsCertificates: boolean
  /** Grows while the file is read. */
  readonly problems: Problem[]
}
