import { Transform, type TransformCallback } from 'node:stream'
import type { Clock, Timer } from '../../clock.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidOptionError } from '../../errors.js'
import type { ItemKinds } from '../../kind.js'
import { integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { fromStream, type StreamStage } from '../../stage.js'

const RATE = { minimum: 1, maximum: 1_000_000_000_000 } as const

const OPTIONS = {
  bytesPerSecond: integer({
    ...RATE,
    unit: 'bytes/s',
    absent: 'this or the other',
    help: 'how many bytes pass in a second in the long run; a chunk longer than the burst passes in pieces of that length',
  }),
  framesPerSecond: integer({
    ...RATE,
    absent: 'this or the other',
    help: 'how many items pass in a second in the long run; of bytes an item is a chunk, whatever its length',
  }),
  burst: integer({
    ...RATE,
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

/** A timer cannot wait longer. */
const LONGEST_WAIT = 2_147_483_647

/**
 * Lets no more pass in a second than it is told: a token bucket for each connection, full at the start. What must wait
 * is not gathered, but stops the reading from the peer. A chunk longer than the burst passes in pieces of that length.
 * Time is the connection's `clock`.
 *
 * A piece waits up to `burst` / rate seconds; keep that under `halfCloseTimeout`, or a client that has ended its side
 * is given up as one that makes no progress.
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

/** Holds one item until there are tokens for it, or for the next piece of it. */
class TokenBucket extends Transform {
  readonly #rate: number
  /** What the bucket holds, in thousandths of a token: then whole milliseconds are counted without a rest. */
  readonly #size: number
  readonly #divides: boolean
  readonly #clock: Clock
  #tokens: number
  #filledAt: number
  #timer: Timer

  constructor(rate: number, burst: number, divides: boolean, clock: Clock) {
    super({ objectMode: true, highWaterMark: 1 })
    this.#rate = rate
    this.#size = 1000 * burst
    this.#divides = divides
    this.#clock = clock
    this.#tokens = this.#size
    this.#filledAt = clock.now()
  }

  override _transform(item: unknown, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#pass(item, callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#clock.clearTimeout(this.#timer)
    super._destroy(error, callback)
  }

  #pass(item: unknown, callback: TransformCallback): void {
    let rest = item
    for (;;) {
      const length = this.#divides ? Math.min((rest as Buffer).length, this.#size / 1000) : 1
      const wait = this.#spend(1000 * length)
      if (wait > 0) {
        const go = () => this.#pass(rest, callback)
        this.#timer = this.#clock.setTimeout(go, Math.min(wait, LONGEST_WAIT))
        return
      }
      if (!this.#divides || length === (rest as Buffer).length) {
        callback(null, rest)
        return
      }
      this.push((rest as Buffer).subarray(0, length))
      // A stage behind this one may have ended the connection at that.
      if (this.destroyed) return
      rest = (rest as Buffer).subarray(length)
    }
  }

  /** Takes tokens, or says in how many milliseconds there will be enough. */
  #spend(cost: number): number {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#size, this.#tokens + (now - this.#filledAt) * this.#rate)
    this.#filledAt = now
    if (this.#tokens < cost) return Math.ceil((cost - this.#tokens) / this.#rate)
    this.#tokens -= cost
    return 0
  }
}
