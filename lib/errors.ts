import type { Reason } from './outcome.js'

/** The code of every error that bywash makes; docs/errors.md explains each. */
export const ERROR_CODES = [
  'ERR_BYWASH_BIND',
  'ERR_BYWASH_FRAME_TOO_LONG',
  'ERR_BYWASH_HANDSHAKE',
  'ERR_BYWASH_INVALID_FRAME',
  'ERR_BYWASH_INVALID_OPTION',
  'ERR_BYWASH_INVALID_UTF8',
  'ERR_BYWASH_REFUSED',
  'ERR_BYWASH_STAGE',
  'ERR_BYWASH_STAGE_ORDER',
  'ERR_BYWASH_TIMEOUT',
  'ERR_BYWASH_WORKER',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** The base of every error that bywash makes. Tell them apart by `code`. */
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

/** Two stages stand next to each other that do not fit, or a pipeline's ends do not fit its use. */
export class StageOrderError extends BywashError {
  constructor(message: string) {
    super('ERR_BYWASH_STAGE_ORDER', message)
  }
}

/** A stage broke: it threw, or did what the contract forbids. `cause` is what it threw, if it threw. */
export class StageError extends BywashError {
  /** The name of the stage. */
  readonly stage: string

  constructor(stage: string, what: string, options?: ErrorOptions) {
    super('ERR_BYWASH_STAGE', `Stage '${stage}' ${what}`, options)
    this.stage = stage
  }
}

/**
 * The peer sent what the stage's protocol does not allow. Throw one of its subclasses from a stage, and the connection
 * ends with that `reason`; by default the peer is told `error: ` and the `farewell`.
 */
export abstract class PeerError extends BywashError {
  /** The name of the stage. */
  readonly stage: string
  /** The outcome of a connection that it ends. */
  abstract readonly reason: Reason
  /** What the peer is told: one line, without a line feed. */
  readonly farewell: string

  constructor(code: ErrorCode, stage: string, what: string, farewell: string) {
    super(code, `Stage '${stage}' ${what}`)
    this.stage = stage
    this.farewell = farewell
  }
}

/** The peer sent a line or a frame over the limit. */
export class FrameTooLongError extends PeerError {
  override readonly reason = 'frame-too-long'
  /** The limit, in bytes. */
  readonly maxLength: number
  /** What was too long. */
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

  /** @param what - What is wrong, such as `the length is negative`: part of the message, and told to the peer. */
  constructor(stage: string, what: string) {
    super('ERR_BYWASH_INVALID_FRAME', stage, `received an invalid frame: ${what}.`, `invalid frame: ${what}`)
  }
}

/** The peer sent text that is not UTF-8. */
export class InvalidUtf8Error extends PeerError {
  override readonly reason = 'invalid-utf8'
  /** What is not UTF-8. */
  readonly unit: 'line' | 'frame'

  constructor(stage: string, unit: 'line' | 'frame') {
    super('ERR_BYWASH_INVALID_UTF8', stage, `received a ${unit} that is not UTF-8.`, `${unit} is not UTF-8`)
    this.unit = unit
  }
}

/** What a client was too slow for, as an outcome says it. */
type Deadline = 'idle-timeout' | 'frame-timeout' | 'drain-timeout'

/** The client let a deadline pass. By default it is told `error: ` and the `farewell`. */
export class TimeoutError extends BywashError {
  readonly reason: Deadline
  /** What the client is told: one line, without a line feed. */
  readonly farewell: string

  constructor(reason: Deadline, message: string, farewell: string) {
    super('ERR_BYWASH_TIMEOUT', message)
    this.reason = reason
    this.farewell = farewell
  }
}

/** The listener did not take a connection. The client is told `error: ` and the `farewell`. */
export class RefusedError extends BywashError {
  readonly reason = 'refused'
  /** What the client is told: one line, without a line feed. */
  readonly farewell: string

  constructor(message: string, farewell: string) {
    super('ERR_BYWASH_REFUSED', message)
    this.farewell = farewell
  }
}

/** A client's TLS handshake failed. `cause` is Node's error, where there is one. */
export class HandshakeError extends BywashError {
  readonly reason = 'refused'

  constructor(what: string, options?: ErrorOptions) {
    super('ERR_BYWASH_HANDSHAKE', `TLS handshake failed: ${what}.`, options)
  }
}

/** The listener could not bind its address. `cause` is Node's error, where there is one. */
export class BindError extends BywashError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BYWASH_BIND', message, options)
  }
}

/** A worker process died, or could not be started. */
export class WorkerError extends BywashError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_BYWASH_WORKER', message, options)
  }
}

/** Names the stage in what it threw. A fault of the peer that the stage reports stays what it is. */
export function blame(stage: string, when: string, cause: unknown): BywashError {
  if (cause instanceof StageError || cause instanceof PeerError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  return new StageError(stage, `failed in ${when}: ${text}`, { cause })
}

/** The reason that an error stands for. */
export function reasonOf(error: BywashError): Reason {
  return isClientFault(error) ? error.reason : 'stage-error'
}

/** Whether an error is the client's doing, and may be told to it. */
export function isClientFault(error: BywashError): error is PeerError | TimeoutError | RefusedError {
  return error instanceof PeerError || error instanceof TimeoutError || error instanceof RefusedError
}
