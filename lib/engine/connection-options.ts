import type { Connection } from '../connection.js'
import { type BywashError, isClientFault } from '../errors.js'
import { checkFunction } from '../options/check-option.js'
import { integer } from '../options/option.js'
import { settingsFrom } from '../options/option-values.js'
import { type Deadlines, deadlines } from './drive/deadlines.js'
import type { DriverSettings } from './drive/driver.js'

/** What both `handle()` and `listen()` take for each connection. Times are in milliseconds. */
export interface ConnectionOptions {
  /** The last text that a failing connection sends, or undefined for none. @default `farewell` */
  readonly farewell?: (error: BywashError, connection: Connection) => string | undefined
  /**
   * How long nothing may come from the client or go to it; 0 is for ever. Any byte counts, so it is no defence against
   * a client that sends one now and then. @default 0
   */
  readonly idleTimeout?: number
  /**
   * How long a line or frame may take from its first byte to its last, however its bytes come; 0 is for ever. Applies
   * to stages that say what is unfinished, as every decoder of the catalogue does. @default 30000
   */
  readonly frameTimeout?: number
  /** How long output may wait without the client taking any of it; 0 is for ever. @default 60000 */
  readonly drainTimeout?: number
  /**
   * How long a connection whose input has ended may go without progress of its output.
   * @default 10000
   */
  readonly halfCloseTimeout?: number
  /** Called with each fault of a stage, and with what a stage reports and goes on. The library itself logs nothing. */
  readonly onError?: (error: BywashError, connection: Connection) => void
}

/** Speaks to the client of its own faults, and is silent about ours. */
export function farewell(error: BywashError): string | undefined {
  return isClientFault(error) ? `error: ${error.farewell}\n` : undefined
}

/** The longest delay that Node's timers take. */
export const LONGEST_TIMEOUT = 2_147_483_647

/** A time in milliseconds. */
export const time = (help: string, standard: number, minimum = 0) =>
  integer({ help, default: standard, minimum, maximum: LONGEST_TIMEOUT, unit: 'ms' })

/** Those of the options that flags and files can say. */
export const CONNECTION_TIMES = {
  idleTimeout: time('how long nothing may come or go; 0 is for ever', 0),
  frameTimeout: time(
    'how long a line or frame may take from its first byte to its last; 0 is for ever',
    30_000,
  ),
  drainTimeout: time('how long output may wait without the client taking any of it; 0 is for ever', 60_000),
  halfCloseTimeout: time('how long a connection whose input has ended may go without progress', 10_000, 1),
}

export const CONNECTION_OPTIONS = ['farewell', ...Object.keys(CONNECTION_TIMES), 'onError']

/** What `driverSettings` gives: all that a drive and its deadlines need, but for the end. */
export interface ConnectionSettings {
  readonly drive: Omit<DriverSettings, 'onDone'>
  readonly deadlines: Deadlines
}

/** Checks the options and fills in their defaults. */
export function connectionSettings(owner: string, options: ConnectionOptions): ConnectionSettings {
  const { farewell: speak = farewell, onError } = options
  const { halfCloseTimeout, ...limits } = settingsFrom(owner, CONNECTION_TIMES, options)
  checkFunction(owner, 'farewell', speak)
  if (onError !== undefined) checkFunction(owner, 'onError', onError)
  return {
    drive: { farewell: speak, halfCloseTimeout, onError },
    deadlines: deadlines(limits),
  }
}
