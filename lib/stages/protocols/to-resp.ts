import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { map, pureStage, type TransformerStage } from '../../stage.js'
import { RespError, RespNull, type RespValue } from './resp-value.js'

const OPTIONS = {
  strings: choice(['bulk', 'simple'], {
    default: 'bulk',
    help: 'what text is written as: a bulk string, as a command has to be; or a simple string, such as +OK, unless it has a CR or an LF in it. A Buffer is always a bulk string',
  }),
}

/** Options of `toResp()`. */
export type ToRespOptions = OptionsOf<typeof OPTIONS>

/** The most arrays that may stand in one another, so that a cycle has an end. */
const MAX_DEPTH = 1_000

const LINE_END = /[\r\n]/

/**
 * Writes each value as a frame of RESP2, the protocol of Redis: the encoder for `resp()`. Takes values and emits one chunk for
 * each. Text and Buffers are bulk strings, whole numbers and bigints integers, a `RespError` an error, `null` and `respNull` the
 * null bulk string, and arrays of these are arrays.
 *
 * Anything else fails the connection (outcome `stage-error`): a number with a fraction, an integer over 64 bits, an object, an error
 * with CR or LF in its message, or more than 1,000 arrays in one another.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(resp({ bulk: 'buffer' })).through(toResp({ strings: 'simple' }))
 */
export const toResp: StageFactory<(options?: ToRespOptions) => TransformerStage<RespValue, Buffer>> =
  defineStage({
    name: 'toResp',
    summary: 'writes each value as a frame of RESP2, the protocol of Redis',
    accepts: 'value',
    emits: 'bytes',
    isProposed: false,
    // An empty text, which is two characters of JSON, becomes six bytes, and a digit four.
    memory: { perByte: 3, perItem: 1 },
    options: OPTIONS,
    examples: ['resp | to-resp', 'lines | json-lines | to-resp'],
    make: ({ strings }) =>
      pureStage(
        map<RespValue, Buffer>('toResp', value => new Frame(strings === 'simple').encode(value), {
          accepts: 'value',
          emits: 'bytes',
          asks: false,
        }),
      ),
  })

/** A frame that is being written: text that is gathered, behind the parts that are bytes already. */
class Frame {
  readonly #isSimple: boolean
  #text = ''
  #parts: Buffer[] | undefined

  constructor(isSimple: boolean) {
    this.#isSimple = isSimple
  }

  encode(value: RespValue): Buffer {
    this.#add(value, 0)
    const text = Buffer.from(this.#text)
    return this.#parts === undefined ? text : Buffer.concat([...this.#parts, text])
  }

  #add(value: RespValue | null, depth: number): void {
    if (typeof value === 'string') this.#addText(value)
    else if (typeof value === 'number' || typeof value === 'bigint')
      this.#text += `:${integerText(value)}\r\n`
    else if (value === null || value instanceof RespNull) this.#text += '$-1\r\n'
    else if (value instanceof RespError) this.#addError(value.message)
    else if (value instanceof Uint8Array) this.#addBytes(value)
    else if (Array.isArray(value)) this.#addArray(value, depth)
    else refuse(showValue(value))
  }

  #addText(text: string): void {
    this.#text +=
      this.#isSimple && !LINE_END.test(text) ? `+${text}\r\n` : `$${Buffer.byteLength(text)}\r\n${text}\r\n`
  }

  #addError(message: string): void {
    if (LINE_END.test(message)) refuse('an error with CR or LF in its message')
    this.#text += `-${message}\r\n`
  }

  #addBytes(bytes: Uint8Array): void {
    this.#parts ??= []
    this.#parts.push(Buffer.from(`${this.#text}$${bytes.length}\r\n`), bytes as Buffer)
    this.#text = '\r\n'
  }

  #addArray(items: readonly (RespValue | null)[], depth: number): void {
    if (depth === MAX_DEPTH) refuse(`more than ${MAX_DEPTH} arrays in one another`)
    this.#text += `*${items.length}\r\n`
    for (const item of items) this.#add(item, depth + 1)
  }
}

function integerText(value: number | bigint): string {
  if (typeof value === 'number' && !Number.isInteger(value)) refuse(`${value}, which is no integer`)
  const exact = BigInt(value)
  if (BigInt.asIntN(64, exact) !== exact) refuse(`${value}, which is over 64 bits`)
  return exact.toString()
}

function refuse(what: string): never {
  throw new StageError('toResp', `was given what RESP cannot say: ${what}.`)
}
