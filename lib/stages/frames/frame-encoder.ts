import type { Frame } from '../../kind.js'
import { type Controller, internalStage, type Transformer, type TransformerStage } from '../../stage.js'

/** The way in which frames become bytes in one format. */
export interface FrameFormat {
  /**
   * The number of bytes that a frame becomes at most.
   *
   * @throws StageError for a frame that the format cannot carry.
   */
  readonly maxSize: (frame: Frame) => number
  /**
   * Writes a frame, and what the format puts around it, to `to` from `at` on; returns the end.
   *
   * @throws StageError as `maxSize`, where only the bytes tell.
   */
  readonly write: (frame: Frame, to: Buffer, at: number) => number
}

/** The size of the memory in which the frames of a turn are gathered. */
const GATHERED_BYTES = 65_536

const ZERO = 0x30

/** The memory of a turn that has ended, for the next one of any connection: it is still in the processor's cache. */
let spare: Buffer | undefined

/** Makes an encoder of frames. What results from one read from the peer becomes one chunk, or one for each 64 KiB. */
export function frameEncoder(name: string, format: FrameFormat): TransformerStage<Frame, Buffer> {
  return internalStage<Frame, Buffer>({
    pure: true,
    name,
    accepts: 'frame',
    emits: 'bytes',
    lazy: true,
    asks: false,
    open: () => new FrameEncoder(format),
  })
}

/** The most digits that `writeDecimal` writes of the length of a frame. */
export const MAX_DIGITS = 10

/** Writes a number in decimal digits to `to` from `at` on, and returns the end. */
export function writeDecimal(value: number, to: Buffer, at: number): number {
  let end = at + 1
  for (let least = 10; least <= value; least *= 10) end++
  let rest = value
  for (let index = end - 1; index >= at; index--) {
    to[index] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return end
}

/** Encoder of one connection. Between turns it holds no memory. */
class FrameEncoder implements Transformer<Frame, Buffer> {
  readonly #format: FrameFormat
  /** The first frame of the turn as bytes, as long as it is the only one. */
  #only: Buffer | undefined
  /** The frames of the turn as bytes, where there are several. */
  #gathered: Buffer | undefined
  #length = 0

  constructor(format: FrameFormat) {
    this.#format = format
  }

  transform(frame: Frame, controller: Controller<Buffer>): void {
    try {
      const size = this.#format.maxSize(frame)
      if (this.#length + size > GATHERED_BYTES) this.readComplete(controller)
      if (this.#gathered !== undefined) this.#length = this.#format.write(frame, this.#gathered, this.#length)
      else if (this.#only === undefined) this.#only = this.#encode(frame, size)
      else this.#gather(this.#only, frame)
    } catch (cause) {
      // The frames before it still leave.
      this.readComplete(controller)
      throw cause
    }
  }

  readComplete(controller: Controller<Buffer>): void {
    const gathered = this.#gathered
    const bytes = gathered === undefined ? this.#only : Buffer.from(gathered.subarray(0, this.#length))
    if (bytes === undefined) return
    if (gathered !== undefined) spare = gathered
    this.#only = undefined
    this.#gathered = undefined
    this.#length = 0
    controller.enqueue(bytes)
  }

  #encode(frame: Frame, size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size)
    const end = this.#format.write(frame, bytes, 0)
    this.#length = end
    return end === size ? bytes : bytes.subarray(0, end)
  }

  #gather(only: Buffer, frame: Frame): void {
    const bytes = spare ?? Buffer.allocUnsafeSlow(GATHERED_BYTES)
    spare = undefined
    bytes.set(only)
    this.#length = this.#format.write(frame, bytes, only.length)
    this.#gathered = bytes
  }
}
