import { Transform, type TransformCallback } from 'node:stream'
import { checkInteger, checkNames } from '../check-option.js'
import type { Clock, Timer } from '../clock.js'
import { InvalidOptionError } from '../errors.js'
import type { ItemKinds } from '../kind.js'
import { fromStream, type StreamStage } from '../stage.js'

/** Options of `throttle()` for bytes. */
export interface ByteThrottleOptions {
  /** How many bytes pass in a second in the long run. */
  readonly bytesPerSecond: number
  /** How many bytes may pass at once after a pause. @default bytesPerSecond */
  readonly burst?: number
}

/** Options of `throttle()` for lines, frames and values. */
export interface FrameThrottleOptions {
  /** How many items pass in a second in the long run. Of bytes an item is a chunk, whatever its length. */
  readonly framesPerSecond: number
  /** How many items may pass at once after a pause. @default framesPerSecond */
  readonly burst?: number
}

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
export function throttle(options: ByteThrottleOptions): StreamStage<Buffer, Buffer>
export function throttle<Item = string>(options: FrameThrottleOptions): StreamStage<Item, Item>
export function throttle(options: ByteThrottleOptions | FrameThrottleOptions): StreamStage<Buffer, Buffer> {
  const given: Partial<ByteThrottleOptions & FrameThrottleOptions> = options
  const { bytesPerSecond, framesPerSecond } = given
  checkNames('throttle()', given, ['bytesPerSecond', 'framesPerSecond', 'burst'])
  const rate = bytesPerSecond ?? framesPerSecond
  if (rate === undefined || (bytesPerSecond !== undefined && framesPerSecond !== undefined)) {
    throw new InvalidOptionError("throttle(): give it either 'bytesPerSecond' or 'framesPerSecond'.")
  }
  const { burst = rate } = given
  const divides = bytesPerSecond !== undefined
  checkInteger('throttle()', divides ? 'bytesPerSecond' : 'framesPerSecond', rate, 1, 1_000_000_000_000)
  checkInteger('throttle()', 'burst', burst, 1, 1_000_000_000_000)
  const kinds = divides ? { accepts: 'bytes', emits: 'bytes' } : { accepts: 'any', emits: 'same' }
  return fromStream<Buffer, Buffer>(
    'throttle',
    ({ clock }) => new TokenBucket(rate, burst, divides, clock),
    kinds as ItemKinds<Buffer, Buffer>,
  )
}

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
