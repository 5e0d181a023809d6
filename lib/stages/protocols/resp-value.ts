/** An error of RESP, such as `new RespError('ERR unknown command')`: by custom a word in capitals, and a text. */
export class RespError {
  readonly message: string

  /** @param message - The text without CR and LF. */
  constructor(message: string) {
    this.message = message
  }

  toJSON(): { error: string } {
    return { error: this.message }
  }
}

/** The class of `respNull`. */
export class RespNull {
  toJSON(): null {
    return null
  }
}

/**
 * The null of RESP where it stands by itself, since null is no item of a pipeline. In an array it is `null`; `toResp()` takes
 * both. As JSON it is null.
 */
export const respNull: RespNull = Object.freeze(new RespNull())

/** A value of RESP. An integer beyond 2^53 - 1 is a bigint. */
export type RespValue =
  | string
  | Buffer
  | number
  | bigint
  | RespError
  | RespNull
  | readonly (RespValue | null)[]
