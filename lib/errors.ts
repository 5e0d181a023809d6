/** The code of every error that bywash makes; docs/errors.md explains each. */
export const ERROR_CODES = [
  'ERR_BYWASH_BIND',
  'ERR_BYWASH_FRAME_TOO_LONG',
  'ERR_BYWASH_INVALID_OPTION',
  'ERR_BYWASH_STAGE',
  'ERR_BYWASH_STAGE_ORDER',
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

/** The peer sent a line or a frame over the limit. */
export class FrameTooLongError extends BywashError {
  /** The name of the stage. */
  readonly stage: string
  /** The limit, in bytes. */
  readonly maxLength: number
  /** What was too long. */
  readonly unit: 'line' | 'frame'

  constructor(stage: string, unit: 'line' | 'frame', maxLength: number) {
    super(
      'ERR_BYWASH_FRAME_TOO_LONG',
      `Stage '${stage}' received a ${unit} longer than ${maxLength} bytes. ` +
        "Raise its 'maxLength' option, or check that the peer sends the expected delimiter.",
    )
    this.stage = stage
    this.maxLength = maxLength
    this.unit = unit
  }
}

/** The listener could not bind its address. `cause` is Node's error. */
export class BindError extends BywashError {
  constructor(message: string, options: ErrorOptions) {
    super('ERR_BYWASH_BIND', message, options)
  }
}

/** Names the stage in what it threw. A fault of the peer that the stage reports stays what it is. */
export function blame(stage: string, when: string, cause: unknown): BywashError {
  if (cause instanceof StageError || cause instanceof FrameTooLongError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  return new StageError(stage, `failed in ${when}: ${text}`, { cause })
}
