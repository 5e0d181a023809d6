const EMPTY: Buffer = Buffer.alloc(0)

/**
 * The bytes of a frame that has not arrived completely. Its buffer grows by doubling, so that a frame that comes byte
 * by byte takes linear time, and a peer takes no memory by announcing a long frame without sending it. Decoders make
 * one with the first byte of a frame and drop it with the last, so that an idle connection holds none.
 */
export class UnfinishedFrame {
  #bytes = EMPTY
  /** Number of bytes so far. */
  length = 0

  /**
   * Copies bytes to the end of the frame.
   *
   * @param limit - The most bytes that the frame can have: the buffer does not double beyond it.
   */
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

  /** The bytes so far: a view, valid until the next `append`, which may move them to a larger buffer. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }
}
