import type { Clock } from '../clock.js'
import type { Terminal } from './terminal/terminal.js'

export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** What the command line uses of the process; `process` itself has all of it. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly fd?: number }
  readonly stdout: Terminal
  readonly stderr: Terminal
  readonly env: NodeJS.ProcessEnv
  /** The folder that relative paths start from. */
  readonly cwd: () => string
  readonly on: (signal: Signal, callback: () => void) => unknown
  readonly off: (signal: Signal, callback: () => void) => unknown
  /** Where a progress line takes the time from. @default the system's clock */
  readonly clock?: Clock
}
