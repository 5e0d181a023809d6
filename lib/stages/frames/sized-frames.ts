import { FrameTooLongError, InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller, Transformer } from '../../stage.js'
import { UnfinishedFrame } from './unfinished-frame.js'

/** What a decoder of messages that say how long they are goes by; the same object for all connections. */
export interface SizedRules {
  readonly stage: string
  /** How many bytes it takes at least to know a message's length. */
  readonly minHeaderLength: number
  /** The byte that every message ends with, where the format has one. */
  readonly terminator?: number
  readonly maxLength: number
  readonly overflow: 'error' | 'report' | 'skip'
  readonly partial: 'error' | 'drop' | 'emit'
}

/**
 * Takes messages whose length is known early. What is whole in a chunk is a view of it; only a message that a chunk
 * border cuts is copied, once.
 */
export abstract class SizedFrames<Rules extends SizedRules> implements Transformer<Buffer, Frame> {
  protected readonly rules: Rules
  /** The length of the message under way; 0 as long as it is not known. */
  protected messageLength = 0
  /** How many bytes at its beginning are not the frame. */
  protected strippedLength = 0
  #unfinished: UnfinishedFrame | undefined
  /** How many bytes of a message over the limit are still to come. */
  #bytesToDiscard = 0
  /** How many messages were unfinished at the end of a chunk. */
  #unfinishedCount = 0

  constructor(rules: Rules) {
    this.rules = rules
  }

  /**
   * Reads the header of the message at `from`: sets `messageLength` and `strippedLength`, or leaves `messageLength` 0
   * when it needs more bytes than there are before `end`.
   */
  protected abstract readHeader(bytes: Buffer, from: number, end: number): void

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

  /** Takes a message that begins in this chunk. */
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
      this.#emit(chunk.subarray(at, end), controller)
      return end
    }
    this.#unfinished = new UnfinishedFrame()
    this.#unfinishedCount++
    this.#unfinished.append(chunk.subarray(at), this.messageLength)
    return chunk.length
  }

  /** Takes more of a message that began in an earlier chunk. */
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
      this.#emit(unfinished.bytes, controller)
    }
    return at + part.length
  }

  #exceedsLimit(controller: Controller<Frame>): boolean {
    const { stage, terminator, maxLength, overflow } = this.rules
    if (this.messageLength - this.strippedLength - (terminator === undefined ? 0 : 1) <= maxLength)
      return false
    const error = new FrameTooLongError(stage, 'frame', maxLength)
    if (overflow === 'error') throw error
    if (overflow === 'report') controller.report(error)
    return true
  }

  #emit(message: Buffer, controller: Controller<Frame>): void {
    const { terminator } = this.rules
    const end = terminator === undefined ? message.length : message.length - 1
    this.messageLength = 0
    this.#checkTerminator(message[end])
    controller.enqueue(message.subarray(this.strippedLength, end))
  }

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
