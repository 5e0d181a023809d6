import { MAX_TIMEOUT_MS } from '../clock.js'
import type { Connection } from '../connection.js'
import { type BywashError, isClientFault, StageError } from '../errors.js'
import { callback, integer, type Option } from '../options/option.js'
import { type OptionsOf, settingsFrom } from '../options/option-values.js'
import { type Deadlines, deadlines } from './drive/deadlines.js'
import type { DriverSettings } from './drive/driver.js'

/** An option that is a time in milliseconds. */
export const time = (help: string, defaultValue: number, more?: { minimum?: number; details?: string }) =>
  integer({ help, default: defaultValue, minimum: 0, maximum: MAX_TIMEOUT_MS, unit: 'ms', ...more })

/** An option that is an AbortSignal; `help` says what it does. */
export const abortSignal = (help: string): Option<AbortSignal, 'optional'> => ({
  help,
  type: 'code',
  presence: 'optional',
  isList: false,
  refusal: (name, signal) =>
    signal instanceof AbortSignal
      ? undefined
      : `'${name}' is an AbortSignal, such as the one of an AbortController`,
})

/** The deadlines of a connection, which flags and files can say too. */
export const CONNECTION_TIMES = {
  idleTimeout: time('how long nothing may come or go; 0 is for ever', 0, {
    details: 'Any byte counts, so it is no defence against a client that sends one now and then.',
  }),
  frameTimeout: time(
    'how long a line or frame may take from its first byte to its last; 0 is for ever',
    30_000,
    {
      details:
        'A byte now and then does not renew it. Applies to stages that say what is unfinished, as every decoder of the catalogue does.',
    },
  ),
  drainTimeout: time('how long output may wait without the client taking any of it; 0 is for ever', 60_000),
  halfCloseTimeout: time('how long a connection whose input has ended may go without progress', 10_000, {
    minimum: 1,
    details: 'Output that moves is progress.',
  }),
}

/** The limits of a connection that are no times, which flags and files can say too. */
export const CONNECTION_LIMITS = {
  maxPending: integer({
    help: 'how many bytes that stages push, beyond the answers to what was read, may wait for the client',
    default: 1_048_576,
    minimum: 1,
    unit: 'bytes',
    details:
      'Beyond it the connection ends as a slow consumer. Answers stop by themselves: nothing more is read meanwhile.',
  }),
  maxReports: integer({
    help: 'how many faults of a client that stages report go to `onError`, and so to the log, in a second; 0 is any number',
    details: 'An error with the number of the others follows at the end of the second.',
    default: 10,
    maximum: 1_000_000,
  }),
}

/** The callbacks of a connection, which only code can give. */
export const CONNECTION_CALLBACKS = {
  farewell: callback<(error: BywashError, connection: Connection) => string | Uint8Array | undefined>({
    help: 'the last text, or bytes, that a failing connection sends, or undefined for none',
    inCode: '(error, connection) => string | Uint8Array | undefined',
    absent: '`farewell`',
  }),
  onError: callback<(error: BywashError, connection: Connection) => void>({
    help: 'called with each fault of a stage, and with what a stage reports and goes on',
    details: 'The library itself logs nothing.',
    inCode: '(error, connection) => void',
  }),
}

/** The options that `handle()` and `listen()` both take. */
export const CONNECTION_OPTIONS = { ...CONNECTION_CALLBACKS, ...CONNECTION_TIMES, ...CONNECTION_LIMITS }

/** Options of each connection, which `handle()` and `listen()` both take. Times are in milliseconds. */
export interface ConnectionOptions extends OptionsOf<typeof CONNECTION_OPTIONS> {}

/** The default farewell: a line that tells the client what it did wrong, and nothing about faults of the server's code. */
export function farewell(error: BywashError): string | undefined {
  const message = isClientFault(error) || error instanceof StageError ? error.farewell : undefined
  return message === undefined ? undefined : `error: ${message}\n`
}

/** The settings of a driver and its deadlines; `onDone` is added for each connection. */
export interface ConnectionSettings {
  readonly drive: Omit<DriverSettings, 'onDone'>
  readonly deadlines: Deadlines
}

/** Checks the options and fills in their defaults. */
export function connectionSettings(owner: string, options: ConnectionOptions): ConnectionSettings {
  const settings = settingsFrom(owner, CONNECTION_OPTIONS, options)
  const {
    farewell: speak = farewell,
    halfCloseTimeout,
    maxPending,
    maxReports,
    onError,
    ...limits
  } = settings
  return {
    drive: { farewell: speak, halfCloseTimeout, maxPending, maxReports, onError },
    deadlines: deadlines(limits),
  }
}
