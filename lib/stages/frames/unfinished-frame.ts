const EMPTY: Buffer = Buffer.alloc(0)

/**
 * The bytes of a frame that has not all come yet. Its buffer grows by doubling, so that a dribbled frame costs linear
 * time, and a peer that announces a long frame takes no memory before it sends one. Make it for the first byte and let
 * it go with the last: an idle connection holds none.
 */
export class UnfinishedFrame {
  #bytes = EMPTY
  length = 0

  /** @param limit - How long the frame will get at most: the buffer does not double beyond it. */
  append(bytes: Buffer, limit: number): void {
    const needed = this.length + bytes.length
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * this.length, limit)))
      this.#bytes.copy(larger, 0, 0, this.length)
      this.#bytes = larger
    }
    bytes.copy(this.#bytes, this.length)
    this.length = needed
  }

  /** What there is so far: a view, which the next `append` may leave behind. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }
}
