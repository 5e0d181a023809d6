import { FrameTooLongError, InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller, Transformer } from '../../stage.js'
import { UnfinishedFrame } from './unfinished-frame.js'

/** What a decoder of messages that say how long they are goes by; the same object for all connections. */
export interface SizedRules {
  readonly stage: string
  /** How many bytes it takes at least to know a message's length. */
  readonly head: number
  /** The byte that every message ends with, where the format has one. */
  readonly last?: number
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
  protected total = 0
  /** How many bytes at its beginning are not the frame. */
  protected stripped = 0
  #unfinished: UnfinishedFrame | undefined
  /** How many bytes of a message over the limit are still to come. */
  #skip = 0
  /** How many messages were unfinished at the end of a chunk. */
  #begun = 0

  constructor(rules: Rules) {
    this.rules = rules
  }

  /** Reads the head of a message at `from`: sets `total` and `stripped`, or leaves `total` 0 when it needs more bytes. */
  protected abstract measure(bytes: Buffer, from: number, end: number): void

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) at = this.#discard(chunk, at)
      else if (this.#unfinished === undefined) at = this.#take(chunk, at, controller)
      else at = this.#fill(this.#unfinished, chunk, at, controller)
    }
  }

  unfinished(): number {
    return this.#unfinished === undefined && this.#skip === 0 ? 0 : this.#begun
  }

  flush(controller: Controller<Frame>): void {
    if (this.#unfinished === undefined && this.#skip === 0) return
    const { stage, partial } = this.rules
    if (partial === 'error') throw new InvalidFrameError(stage, 'the input ended inside it')
    if (partial === 'emit' && this.#unfinished !== undefined) controller.enqueue(this.#unfinished.bytes)
  }

  /** Takes a message that begins in this chunk. */
  #take(chunk: Buffer, at: number, controller: Controller<Frame>): number {
    this.measure(chunk, at, chunk.length)
    if (this.#isOver(controller)) {
      this.#skip = this.total
      this.#begun++
      this.total = 0
      return at
    }
    const end = at + this.total
    if (this.total > 0 && end <= chunk.length) {
      this.#emit(chunk.subarray(at, end), controller)
      return end
    }
    this.#unfinished = new UnfinishedFrame()
    this.#begun++
    this.#unfinished.append(chunk.subarray(at), this.total)
    return chunk.length
  }

  /** Takes more of a message that began in an earlier chunk. */
  #fill(unfinished: UnfinishedFrame, chunk: Buffer, at: number, controller: Controller<Frame>): number {
    const wanted =
      (this.total > 0 ? this.total : Math.max(this.rules.head, unfinished.length + 1)) - unfinished.length
    const part = chunk.subarray(at, at + wanted)
    unfinished.append(part, Math.max(this.total, this.rules.head))
    if (this.total === 0) {
      this.measure(unfinished.bytes, 0, unfinished.length)
      if (this.#isOver(controller)) {
        this.#skip = this.total - unfinished.length
        this.total = 0
        this.#unfinished = undefined
        return at + part.length
      }
    }
    if (this.total > 0 && unfinished.length === this.total) {
      this.#unfinished = undefined
      this.#emit(unfinished.bytes, controller)
    }
    return at + part.length
  }

  #isOver(controller: Controller<Frame>): boolean {
    const { stage, last, maxLength, overflow } = this.rules
    if (this.total - this.stripped - (last === undefined ? 0 : 1) <= maxLength) return false
    const error = new FrameTooLongError(stage, 'frame', maxLength)
    if (overflow === 'error') throw error
    if (overflow === 'report') controller.report(error)
    return true
  }

  #emit(message: Buffer, controller: Controller<Frame>): void {
    const { last } = this.rules
    const end = last === undefined ? message.length : message.length - 1
    this.total = 0
    this.#checkLast(message[end])
    controller.enqueue(message.subarray(this.stripped, end))
  }

  #discard(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#skip, chunk.length)
    this.#skip -= end - at
    if (this.#skip === 0) this.#checkLast(chunk[end - 1])
    return end
  }

  #checkLast(byte: number | undefined): void {
    const { stage, last } = this.rules
    if (last !== undefined && byte !== last) {
      throw new InvalidFrameError(stage, `it does not end with '${String.fromCharCode(last)}'`)
    }
  }
}
