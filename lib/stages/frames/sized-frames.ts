import { FrameTooLongError, InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller, Transformer } from '../../stage.js'
import { UnfinishedFrame } from './unfinished-frame.js'

/** Settings of a decoder whose messages say how long they are. All connections share one object. */
export interface SizedRules {
  /** Name of the stage, for errors. */
  readonly stage: string
  /** Least number of bytes from which the length of a message can be known. */
  readonly minHeaderLength: number
  /** Byte that every message ends with, in a format that has one. It is no part of the frame. */
  readonly terminator?: number
  /** Limit of a frame, in bytes. */
  readonly maxLength: number
  readonly overflow: 'error' | 'report' | 'skip'
  readonly partial: 'error' | 'drop' | 'emit'
}

/**
 * Decoder, for one connection, of messages that say at their beginning how long they are. A subclass reads that length.
 * A message that lies in one chunk is emitted as a view of it; one that is cut by the end of a chunk is copied once.
 */
export abstract class SizedFrames<Rules extends SizedRules> implements Transformer<Buffer, Frame> {
  protected readonly rules: Rules
  /** Length of the message under way, in bytes, header included; 0 as long as it is not known. */
  protected messageLength = 0
  /** Number of its bytes in front of the body that are not part of the frame. */
  protected strippedLength = 0
  /** The message under way, if it began in an earlier chunk and is within the limit. */
  #unfinished: UnfinishedFrame | undefined
  /** Bytes of a message over the limit that are still to come. */
  #bytesToDiscard = 0
  /** Count of messages that were unfinished at the end of a chunk, so that each has a number of its own. */
  #unfinishedCount = 0

  constructor(rules: Rules) {
    this.rules = rules
  }

  /**
   * Reads the header of the message at `from`: sets `messageLength` and `strippedLength`, or leaves `messageLength` 0
   * when it needs more bytes than there are before `end`.
   */
  protected abstract readHeader(bytes: Buffer, from: number, end: number): void

  /** The frame of a complete message, which lies from `from` to `end` in `bytes`; its terminator, if any, is at `end`. */
  protected frameOf(bytes: Buffer, from: number, end: number): Frame {
    return bytes.subarray(from + this.strippedLength, end)
  }

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#bytesToDiscard > 0) at = this.#discard(chunk, at)
      else if (this.#unfinished === undefined) at = this.#beginMessage(chunk, at, controller)
      else at = this.#continueMessage(this.#unfinished, chunk, at, controller)
    }
  }

  unfinished(): number {
    return this.#unfinished === undefined && this.#bytesToDiscard === 0 ? 0 : this.#unfinishedCount
  }

  flush(controller: Controller<Frame>): void {
    if (this.#unfinished === undefined && this.#bytesToDiscard === 0) return
    const { stage, partial } = this.rules
    if (partial === 'error') throw new InvalidFrameError(stage, 'the input ended inside it')
    if (partial === 'emit' && this.#unfinished !== undefined) controller.enqueue(this.#unfinished.bytes)
  }

  /** Reads a message that begins at `at`, and returns where to go on. */
  #beginMessage(chunk: Buffer, at: number, controller: Controller<Frame>): number {
    this.readHeader(chunk, at, chunk.length)
    if (this.#exceedsLimit(controller)) {
      this.#bytesToDiscard = this.messageLength
      this.#unfinishedCount++
      this.messageLength = 0
      return at
    }
    const end = at + this.messageLength
    if (this.messageLength > 0 && end <= chunk.length) {
      this.#emit(chunk, at, end, controller)
      return end
    }
    this.#unfinished = new UnfinishedFrame()
    this.#unfinishedCount++
    this.#unfinished.append(chunk.subarray(at), this.messageLength)
    return chunk.length
  }

  /** Reads on in a message that began in an earlier chunk, and returns where to go on. */
  #continueMessage(
    unfinished: UnfinishedFrame,
    chunk: Buffer,
    at: number,
    controller: Controller<Frame>,
  ): number {
    const wanted =
      (this.messageLength > 0
        ? this.messageLength
        : Math.max(this.rules.minHeaderLength, unfinished.length + 1)) - unfinished.length
    const part = chunk.subarray(at, at + wanted)
    unfinished.append(part, Math.max(this.messageLength, this.rules.minHeaderLength))
    if (this.messageLength === 0) {
      this.readHeader(unfinished.bytes, 0, unfinished.length)
      if (this.#exceedsLimit(controller)) {
        this.#bytesToDiscard = this.messageLength - unfinished.length
        this.messageLength = 0
        this.#unfinished = undefined
        return at + part.length
      }
    }
    if (this.messageLength > 0 && unfinished.length === this.messageLength) {
      this.#unfinished = undefined
      this.#emit(unfinished.bytes, 0, unfinished.length, controller)
    }
    return at + part.length
  }

  /** Whether the message under way is over the limit. If so, throws or reports that, as `overflow` says. */
  #exceedsLimit(controller: Controller<Frame>): boolean {
    const { stage, terminator, maxLength, overflow } = this.rules
    if (this.messageLength - this.strippedLength - (terminator === undefined ? 0 : 1) <= maxLength)
      return false
    const error = () => new FrameTooLongError(stage, 'frame', maxLength)
    if (overflow === 'error') throw error()
    if (overflow === 'report') controller.report(error)
    return true
  }

  /** Emits the frame of the message that lies from `from` to `to` in `bytes`. */
  #emit(bytes: Buffer, from: number, to: number, controller: Controller<Frame>): void {
    const { terminator } = this.rules
    this.messageLength = 0
    if (terminator === undefined) {
      controller.enqueue(this.frameOf(bytes, from, to))
    } else {
      this.#checkTerminator(bytes[to - 1])
      controller.enqueue(this.frameOf(bytes, from, to - 1))
    }
  }

  /** Skips bytes of a message over the limit, and returns where to go on. */
  #discard(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#bytesToDiscard, chunk.length)
    this.#bytesToDiscard -= end - at
    if (this.#bytesToDiscard === 0) this.#checkTerminator(chunk[end - 1])
    return end
  }

  #checkTerminator(byte: number | undefined): void {
    const { stage, terminator } = this.rules
    if (terminator !== undefined && byte !== terminator) {
      throw new InvalidFrameError(stage, `it does not end with '${String.fromCharCode(terminator)}'`)
    }
  }
}
