import { checkFunction, checkInteger } from './check-option.js'
import type { Connection } from './connection.js'
import type { DriveSettings } from './engine/duplex.js'
import { type BywashError, PeerError } from './errors.js'

/** What both `handle()` and `listen()` take for each connection. */
export interface ConnectionOptions {
  /** The last text that a failing connection sends, or undefined for none. @default `farewell` */
  readonly farewell?: (error: BywashError, connection: Connection) => string | undefined
  /**
   * How long, in milliseconds, a connection whose input has ended may go without progress of its output.
   * @default 10000
   */
  readonly halfCloseTimeout?: number
  /** Called with each fault of a stage, and with what a stage reports and goes on. The library itself logs nothing. */
  readonly onError?: (error: BywashError, connection: Connection) => void
}

/** Speaks to the client of its own faults, and is silent about ours. */
export function farewell(error: BywashError): string | undefined {
  return error instanceof PeerError ? `error: ${error.farewell}\n` : undefined
}

export const CONNECTION_OPTIONS = ['farewell', 'halfCloseTimeout', 'onError']

/** The longest delay that Node's timers take. */
export const LONGEST_TIMEOUT = 2_147_483_647

/** Checks the options and fills in their defaults. */
export function driveSettings(owner: string, options: ConnectionOptions): Omit<DriveSettings, 'onDone'> {
  const { farewell: speak = farewell, halfCloseTimeout = 10_000, onError } = options
  checkFunction(owner, 'farewell', speak)
  checkInteger(owner, 'halfCloseTimeout', halfCloseTimeout, 1, LONGEST_TIMEOUT)
  if (onError !== undefined) checkFunction(owner, 'onError', onError)
  return { farewell: speak, halfCloseTimeout, onError }
}
