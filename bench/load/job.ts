import type { Measured } from './measured.js'
import type { Format } from './tape.js'

/** The server that a job loads, and what it must answer. */
export interface Target extends Format {
  readonly port: number
  /** Process whose CPU time is measured, or the negative number of a group of them; 0 for none. */
  readonly pid: number
  /** The text that a client gets before anything else. */
  readonly greeting: string
}

/** A load: what the load process does with a server. */
export type Load =
  | { readonly kind: 'check' }
  | { readonly kind: 'pingpong'; readonly connections: number; readonly depth: number; readonly size: number }
  | { readonly kind: 'bulk'; readonly connections: number; readonly size: number }
  | { readonly kind: 'burst'; readonly connections: number }
  | { readonly kind: 'short'; readonly connections: number }
  | { readonly kind: 'push'; readonly connections: number; readonly pushes: number }
  | { readonly kind: 'hold'; readonly connections: number; readonly speak?: boolean }
  | { readonly kind: 'release' }

/** Message to the load process. `seconds` is the measuring time. */
export type Job = Load & { readonly target: Target; readonly seconds: number }

export type JobOf<Kind extends Load['kind']> = Extract<Load, { readonly kind: Kind }> &
  Pick<Job, 'target' | 'seconds'>

/** Answer of the load process. */
export type JobResult =
  | { readonly kind: 'done'; readonly measured: Measured | undefined }
  | { readonly kind: 'failed'; readonly message: string }
