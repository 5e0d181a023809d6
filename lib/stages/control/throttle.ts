import { Transform, type TransformCallback } from 'node:stream'
import type { Clock, Timer } from '../../clock.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidOptionError } from '../../errors.js'
import type { ItemKinds } from '../../kind.js'
import { integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { fromStream, type StreamStage } from '../../stage.js'

/** Range of rates and bursts. */
const RATE_RANGE = { minimum: 1, maximum: 1_000_000_000_000 } as const

const OPTIONS = {
  bytesPerSecond: integer({
    ...RATE_RANGE,
    unit: 'bytes/s',
    absent: 'this or the other',
    help: 'how many bytes pass in a second in the long run; a chunk longer than the burst passes in pieces of that length',
  }),
  framesPerSecond: integer({
    ...RATE_RANGE,
    absent: 'this or the other',
    help: 'how many items pass in a second in the long run; of bytes an item is a chunk, whatever its length',
  }),
  burst: integer({
    ...RATE_RANGE,
    unit: 'bytes',
    absent: 'the rate',
    help: 'how many bytes or items may pass at once after a pause',
  }),
}

type Options = OptionsOf<typeof OPTIONS>

/** Options of `throttle()` for bytes. */
export type ByteThrottleOptions = Required<Pick<Options, 'bytesPerSecond'>> & Pick<Options, 'burst'>

/** Options of `throttle()` for lines, frames and values. */
export type FrameThrottleOptions = Required<Pick<Options, 'framesPerSecond'>> & Pick<Options, 'burst'>

/** Longest time that a timer of Node can wait. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * Limits how much passes in a second: bytes with `bytesPerSecond`, items of any kind with `framesPerSecond`. Emits what
 * it takes. Each connection has a token bucket of its own, which holds `burst` tokens (by default as many as the rate)
 * and is full at the start.
 *
 * While an item waits, nothing is gathered behind it: reading from the peer stops. A chunk longer than the burst passes
 * in pieces of that length. Time is that of the connection's `clock`. It has a stream of its own, so it is not
 * fused with its neighbours.
 *
 * A piece waits for up to `burst` / rate seconds. Keep that under `halfCloseTimeout`, or a client that has ended its
 * side is taken for one that makes no progress, and its connection is ended.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed, and unless exactly one
 * of the two rates is given.
 * @example
 * pipeline().through(throttle({ bytesPerSecond: 1_000_000, burst: 65_536 }))
 */
export const throttle = defineStage({
  name: 'throttle',
  summary: 'lets no more pass in a second than it is told',
  accepts: 'any',
  emits: 'same',
  memory: { waiting: 1 },
  variant: { option: 'bytesPerSecond', accepts: 'bytes', emits: 'bytes' },
  options: OPTIONS,
  examples: [
    'throttle --bytes-per-second 1MiB/s --burst 64KiB',
    'lines | throttle --frames-per-second 10 | to-lines',
  ],
  make: ({ bytesPerSecond, framesPerSecond, burst }) => {
    const rate = bytesPerSecond ?? framesPerSecond
    if (rate === undefined || (bytesPerSecond !== undefined && framesPerSecond !== undefined)) {
      throw new InvalidOptionError("throttle(): give it either 'bytesPerSecond' or 'framesPerSecond'.")
    }
    const divides = bytesPerSecond !== undefined
    const kinds = divides ? { accepts: 'bytes', emits: 'bytes' } : { accepts: 'any', emits: 'same' }
    return fromStream<Buffer, Buffer>(
      'throttle',
      ({ clock }) => new TokenBucket(rate, burst ?? rate, divides, clock),
      { ...(kinds as ItemKinds<Buffer, Buffer>), asks: false },
    )
  },
}) as StageFactory<{
  (options: ByteThrottleOptions): StreamStage<Buffer, Buffer>
  <Item = string>(options: FrameThrottleOptions): StreamStage<Item, Item>
}>

/** Token bucket of one connection: holds an item until there are tokens for it, or for the next piece of it. */
class TokenBucket extends Transform {
  readonly #rate: number
  /** Size of the bucket, in thousandths of a token, so that the tokens of a millisecond are a whole number. */
  readonly #size: number
  /** Whether items are chunks, which may pass in pieces, and a token is a byte. */
  readonly #splitsItems: boolean
  readonly #clock: Clock
  /** Thousandths of a token in the bucket at `#filledAt`. */
  #tokens: number
  #filledAt: number
  #timer: Timer
  /** Goes on with the next piece of a chunk; set while a piece waits for its reader. */
  #goOn: (() => void) | undefined

  constructor(rate: number, burst: number, splitsItems: boolean, clock: Clock) {
    super({ objectMode: true, highWaterMark: 1 })
    this.#rate = rate
    this.#size = 1000 * burst
    this.#splitsItems = splitsItems
    this.#clock = clock
    this.#tokens = this.#size
    this.#filledAt = clock.now()
  }

  override _transform(item: unknown, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#pass(item, callback)
  }

  override _read(size: number): void {
    const goOn = this.#goOn
    this.#goOn = undefined
    if (goOn === undefined) super._read(size)
    else goOn()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#clock.clearTimeout(this.#timer)
    super._destroy(error, callback)
  }

  /** Passes an item on, piece by piece; waits until there are enough tokens for the next piece, and until it is wanted. */
  #pass(item: unknown, callback: TransformCallback): void {
    let remainder = item
    for (;;) {
      const length = this.#splitsItems ? Math.min((remainder as Buffer).length, this.#size / 1000) : 1
      const wait = this.#spend(1000 * length)
      if (wait > 0) {
        const resume = () => this.#pass(remainder, callback)
        this.#timer = this.#clock.setTimeout(resume, Math.min(wait, MAX_TIMER_MS))
        return
      }
      if (!this.#splitsItems || length === (remainder as Buffer).length) {
        callback(null, remainder)
        return
      }
      const isWanted = this.push((remainder as Buffer).subarray(0, length))
      // A stage behind this one may have ended the connection with that piece.
      if (this.destroyed) return
      remainder = (remainder as Buffer).subarray(length)
      if (!isWanted) {
        this.#goOn = () => this.#pass(remainder, callback)
        return
      }
    }
  }

  /** Takes tokens and returns 0, or takes none and returns in how many milliseconds there will be enough. */
  #spend(cost: number): number {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#size, this.#tokens + (now - this.#filledAt) * this.#rate)
    this.#filledAt = now
    if (this.#tokens < cost) return Math.ceil((cost - this.#tokens) / this.#rate)
    this.#tokens -= cost
    return 0
  }
}
