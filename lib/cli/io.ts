import type { Clock } from '../clock.js'
import type { Terminal } from './terminal/terminal.js'

export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/** The parts of `process` that commands use. bin.ts passes `process` itself; tests pass a fake. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly fd?: number }
  readonly stdout: Terminal
  readonly stderr: Terminal
  readonly env: NodeJS.ProcessEnv
  /** The folder that relative paths are resolved against. */
  readonly cwd: () => string
  readonly on: (signal: Signal, callback: () => void) => unknown
  readonly off: (signal: Signal, callback: () => void) => unknown
  /** The clock of the progress line of `bywash pipe`. @default the system's clock */
  readonly clock?: Clock
}
