import type { Reason } from './outcome.js'

/** The codes of all errors that bywash makes. docs/errors.md explains each. */
export const ERROR_CODES = [
  'ERR_BYWASH_BIND',
  'ERR_BYWASH_EXEC',
  'ERR_BYWASH_FRAME_TOO_LONG',
  'ERR_BYWASH_HANDSHAKE',
  'ERR_BYWASH_INVALID_FRAME',
  'ERR_BYWASH_INVALID_OPTION',
  'ERR_BYWASH_INVALID_UTF8',
  'ERR_BYWASH_MORE_FAULTS',
  'ERR_BYWASH_REFUSED',
  'ERR_BYWASH_SLOW_CONSUMER',
  'ERR_BYWASH_STAGE',
  'ERR_BYWASH_STAGE_ORDER',
  'ERR_BYWASH_STDERR',
  'ERR_BYWASH_TIMEOUT',
  'ERR_BYWASH_TOO_MANY_TOPICS',
  'ERR_BYWASH_UPSTREAM',
  'ERR_BYWASH_WORKER',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** The base class of the errors that bywash makes. Tell them apart by `code`. */
export class BywashError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** An option has a value that is not allowed. The message says which values are. */
export class InvalidOptionError extends BywashError {
  constructor(message: string) {
    super('ERR_BYWASH_INVALID_OPTION', message)
  }
}

/** A stage does not take what the one before it gives, or a pipeline does not take and give what its use needs. */
export class StageOrderError extends BywashError {
  constructor(message: string) {
    super('ERR_BYWASH_STAGE_ORDER', message)
  }
}

/**
 * A stage failed: it threw, or broke the contract of stages. `cause` is what it threw, if it threw. Throw a subclass with a
 * `reason` of its own for what is no mistake in the code of the stage; such an error is in the outcome, and not told to `onError`.
 */
export class StageError extends BywashError {
  /** The name of the stage. */
  readonly stage: string
  /** The reason in the outcome of a connection that it ends. */
  readonly reason: Reason = 'stage-error'
  /** The message for the peer, one line without a line feed; undefined where there is nothing that it should know. */
  readonly farewell: string | undefined = undefined
  /**
   * Whether the peer's connection is reset behind the output from before the error, in place of a farewell and FIN, so that
   * what has come does not look complete. A transport without a reset is destroyed.
   */
  readonly resets: boolean = false

  constructor(stage: string, what: string, options?: ErrorOptions) {
    super('ERR_BYWASH_STAGE', `Stage '${stage}' ${what}`, options)
    this.stage = stage
  }
}

/**
 * The copy of a connection that a stage such as `tee` makes is not complete. It goes to `onError` once a connection, and
 * the connection itself is not affected.
 */
export class CopyError extends StageError {
  /** Number of items that are missing. One that was written in part may be counted too. */
  readonly count: number

  /** @param what - Why the first of them is missing. @param target - Name of the sink. */
  constructor(stage: string, what: string, count: number, target: string) {
    const items = count === 1 ? '1 item is' : `${count} items are`
    super(stage, `${what}. ${items} missing in the copy (${target}).`)
    this.count = count
  }
}

/** A server that a stage passes the connection on to could not be reached, or has broken off. `cause` is Node's error. */
export class UpstreamError extends StageError {
  override readonly code = 'ERR_BYWASH_UPSTREAM'
  override readonly reason = 'upstream-error'
  override readonly farewell = 'the server behind this one is not available'
  override readonly resets: boolean

  /** @param resets - Whether the client may have had a part of an answer, which must not look complete. */
  constructor(stage: string, what: string, resets: boolean, options?: ErrorOptions) {
    super(stage, what, options)
    this.resets = resets
  }
}

/** A program that a stage runs for the connection could not be started, or has failed. `cause` is Node's error, if there is one. */
export class ExecError extends StageError {
  override readonly code = 'ERR_BYWASH_EXEC'
  override readonly reason = 'exec-error'
  override readonly farewell = 'the program behind this server is not available'
  override readonly resets: boolean
  /** The exit code of a program that has ended by itself. */
  readonly exitCode: number | undefined
  /** The signal that has ended it. */
  readonly signal: NodeJS.Signals | undefined

  /** @param resets - Whether the client may have had a part of the output, which must not look complete. */
  constructor(
    stage: string,
    what: string,
    resets = false,
    { exitCode, signal, ...options }: ErrorOptions & Partial<Pick<ExecError, 'exitCode' | 'signal'>> = {},
  ) {
    super(stage, what, options)
    this.resets = resets
    this.exitCode = exitCode
    this.signal = signal
  }
}

/** A program that a stage runs has written to stderr. It goes to `onError`, and the connection itself is not affected. */
export class StderrError extends BywashError {
  /** The name of the stage. */
  readonly stage: string

  /** @param program - Its name. @param what - What it wrote, without control characters. */
  constructor(stage: string, program: string, what: string) {
    super('ERR_BYWASH_STDERR', `Stage '${stage}': '${program}' ${what}`)
    this.stage = stage
  }
}

/**
 * The base class for input that a stage's protocol does not allow. Throw a subclass from a stage, and the connection ends
 * with the `reason` of the error; by default the peer is sent `error: ` and the `farewell`.
 */
export abstract class PeerError extends BywashError {
  /** The name of the stage. */
  readonly stage: string
  /** The reason in the outcome of a connection that it ends. */
  abstract readonly reason: Reason
  /** The message for the peer: one line, without a line feed. */
  readonly farewell: string

  constructor(code: ErrorCode, stage: string, what: string, farewell: string) {
    super(code, `Stage '${stage}' ${what}`)
    this.stage = stage
    this.farewell = farewell
  }
}

/**
 * A fault of the peer that a stage reports, or a function that makes it. An error takes some microseconds to make, and a
 * function is not called where nobody would hear of the fault.
 */
export type Fault = PeerError | (() => PeerError)

/** What a stage reports: a fault of the peer, or another error with which the connection goes on. */
export type Reported = Fault | BywashError

/**
 * Faults of the peer that were reported beyond `maxReports`. Of these only the number goes through the later stages, so that it
 * costs as much as one fault.
 */
export class UntoldFaults {
  constructor(public count: number) {}
}

/** Whether a stage reports a fault of the peer. */
export function isFault(reported: Reported): reported is Fault {
  return typeof reported === 'function' || reported instanceof PeerError
}

/** The error of what a stage reports. */
export function madeFault(reported: Reported): BywashError {
  return typeof reported === 'function' ? reported() : reported
}

/**
 * Stages reported more faults of the peer within a second than `maxReports`. It goes to `onError` once for such a second, in
 * place of those that were left out.
 */
export class MoreFaultsError extends BywashError {
  /** Number of faults that were left out. */
  readonly count: number

  constructor(count: number, maxReports: number) {
    super(
      'ERR_BYWASH_MORE_FAULTS',
      `${count} more ${count === 1 ? 'fault' : 'faults'} of the peer in the same second. 'maxReports' is ${maxReports}: raise it to hear of more.`,
    )
    this.count = count
  }
}

/** The peer sent a line or a frame over the limit. */
export class FrameTooLongError extends PeerError {
  override readonly reason = 'frame-too-long'
  /** The limit, in bytes. */
  readonly maxLength: number
  /** Whether a line or a frame was too long. */
  readonly unit: 'line' | 'frame'

  constructor(stage: string, unit: 'line' | 'frame', maxLength: number) {
    super(
      'ERR_BYWASH_FRAME_TOO_LONG',
      stage,
      `received a ${unit} longer than ${maxLength} bytes. Raise its 'maxLength' option, or check that the peer ` +
        (unit === 'line' ? 'sends the expected delimiter.' : 'speaks the expected format.'),
      `${unit} is longer than ${maxLength} bytes`,
    )
    this.maxLength = maxLength
    this.unit = unit
  }
}

/** The peer sent a frame that breaks the rules of its format. */
export class InvalidFrameError extends PeerError {
  override readonly reason = 'invalid-frame'

  /** @param what - The fault, such as `the length is negative`. It is part of the message and of the farewell. */
  constructor(stage: string, what: string) {
    super('ERR_BYWASH_INVALID_FRAME', stage, `received an invalid frame: ${what}.`, `invalid frame: ${what}`)
  }
}

/** The peer sent text that is not UTF-8. */
export class InvalidUtf8Error extends PeerError {
  override readonly reason = 'invalid-utf8'
  /** Whether a line or a frame was not UTF-8. */
  readonly unit: 'line' | 'frame'

  constructor(stage: string, unit: 'line' | 'frame') {
    super('ERR_BYWASH_INVALID_UTF8', stage, `received a ${unit} that is not UTF-8.`, `${unit} is not UTF-8`)
    this.unit = unit
  }
}

/** The reasons for which a client is too slow. */
type Deadline = 'idle-timeout' | 'frame-timeout' | 'drain-timeout'

/** The client let a deadline pass. By default it is sent `error: ` and the `farewell`. */
export class TimeoutError extends BywashError {
  readonly reason: Deadline
  /** The message for the client: one line, without a line feed. */
  readonly farewell: string

  constructor(reason: Deadline, message: string, farewell: string) {
    super('ERR_BYWASH_TIMEOUT', message)
    this.reason = reason
    this.farewell = farewell
  }
}

/** More output waited for the client than `maxPending`. By default it is sent `error: ` and the `farewell`. */
export class SlowConsumerError extends BywashError {
  readonly reason = 'slow-consumer'
  /** The message for the client: one line, without a line feed. */
  readonly farewell = 'too much output is waiting for you'
  /** The limit, in bytes. */
  readonly maxPending: number

  constructor(maxPending: number) {
    super(
      'ERR_BYWASH_SLOW_CONSUMER',
      `The client left more than ${maxPending} bytes of what was pushed to it unread ('maxPending').`,
    )
    this.maxPending = maxPending
  }
}

/** The listener refused a connection. The client is sent `error: ` and the `farewell`. */
export class RefusedError extends BywashError {
  readonly reason = 'refused'
  /** The message for the client: one line, without a line feed. */
  readonly farewell: string
  /** The rule that refused it, such as `max-connections`, as the status of a listener counts refusals. */
  readonly rule: string

  constructor(message: string, farewell: string, rule: string) {
    super('ERR_BYWASH_REFUSED', message)
    this.farewell = farewell
    this.rule = rule
  }
}

/** A client's handshake failed, of TLS or of a WebSocket. `cause` is Node's error, where there is one. */
export class HandshakeError extends BywashError {
  readonly reason = 'refused'

  constructor(what: string, options?: ErrorOptions, protocol: 'TLS' | 'WebSocket' = 'TLS') {
    super('ERR_BYWASH_HANDSHAKE', `${protocol} handshake failed: ${what}.`, options)
  }
}

/** The listener could not bind its address. `cause` is Node's error, where there is one. */
export class BindError extends BywashError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BYWASH_BIND', message, options)
  }
}

/** A hub has `maxTopics` topics with subscribers, and was asked for one more. */
export class TooManyTopicsError extends BywashError {
  constructor(maxTopics: number) {
    super(
      'ERR_BYWASH_TOO_MANY_TOPICS',
      `The hub has ${maxTopics} topics with subscribers already ('maxTopics').`,
    )
  }
}

/** A worker process died, or could not be started. */
export class WorkerError extends BywashError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BYWASH_WORKER', message, options)
  }
}

/**
 * Wraps what a stage threw in a StageError with the stage's name. An error that names a stage already, a fault of the
 * peer, and a peer that is too slow stay as they are.
 */
export function blame(stage: string, when: string, cause: unknown): BywashError {
  if (cause instanceof StageError || cause instanceof PeerError || cause instanceof SlowConsumerError) {
    return cause
  }
  const text = cause instanceof Error ? cause.message : String(cause)
  return new StageError(stage, `failed in ${when}: ${text}`, { cause })
}

/** The reason in the outcome of a connection that an error ends. */
export function reasonOf(error: BywashError): Reason {
  return isClientFault(error) || error instanceof StageError ? error.reason : 'stage-error'
}

/** Whether the client caused an error, which has then a `farewell` for it. */
export function isClientFault(
  error: BywashError,
): error is PeerError | TimeoutError | RefusedError | SlowConsumerError {
  return (
    error instanceof PeerError ||
    error instanceof TimeoutError ||
    error instanceof RefusedError ||
    error instanceof SlowConsumerError
  )
}
