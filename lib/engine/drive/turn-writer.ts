import { Duplex } from 'node:stream'
import { nextTurn } from '../../clock.js'
import { type DueWriter, MAX_DUE_BYTES, writeLater } from '../../net/due-writes.js'
import type { DrivenDuplex } from './transport.js'

/** Up to this many pieces one gathering write (writev) costs less than copying them together, unless they are small. */
const MAX_GATHERED_PIECES = 4
/** Up to this many bytes in all, pieces are copied together, however few they are. */
const MAX_COPIED_BYTES = 4_096

/** Stands in for the duplex of every connection that is closed. */
const DESTROYED_DUPLEX: DrivenDuplex = new Duplex().destroy()

/** Turns of the event loop that a greeting waits for an answer to join it; on a quiet server they take some microseconds. */
const DELAY_TURNS = 4

/** Ring buffer: the writers that are due in each of the next DELAY_TURNS turns of the event loop. */
const delayed: TurnWriter[][] = Array.from({ length: DELAY_TURNS }, () => [])
let loopTurn = 0
let delayedCount = 0

function writeDelayed(): void {
  loopTurn = (loopTurn + 1) % DELAY_TURNS
  const due = delayed[loopTurn] as TurnWriter[]
  if (due.length > 0) delayed[loopTurn] = []
  delayedCount -= due.length
  if (delayedCount > 0) nextTurn(writeDelayed)
  for (const writer of due) writer.endTurn()
}

/** Writes to a duplex: gathers the output of a turn, and writes it as one. */
export abstract class TurnWriter implements DueWriter {
  protected duplex: DrivenDuplex
  /** The output of this turn that is not written yet. */
  #pending: Buffer | Buffer[] | undefined
  #pendingBytes = 0
  /** While true, the ends of turns write nothing: until `uncork()` or `uncorkSoon()`. */
  protected corked = false
  /** While true, the ends of turns leave short output to the check phase. */
  protected defers = false
  /** Whether this writer is among those that are due. */
  #isDue = false
  /** The duplex takes no more before its 'drain'. */
  protected outputFull = false
  protected bytesWritten = 0

  constructor(duplex: Duplex) {
    this.duplex = duplex
  }

  /** Pauses reading, since the duplex takes no more output. */
  protected abstract pause(): void

  write(item: unknown): void {
    const bytes = item as Buffer
    if (bytes.length === 0) return
    this.#pendingBytes += bytes.length
    if (this.#pending === undefined) this.#pending = bytes
    else if (Array.isArray(this.#pending)) this.#pending.push(bytes)
    else this.#pending = [this.#pending, bytes]
  }

  endTurn(isRead = false): boolean {
    const pending = this.#pending
    if (pending !== undefined && !this.corked) {
      if ((isRead || this.defers) && this.#pendingBytes <= MAX_DUE_BYTES) {
        this.#writeLater()
        return !this.outputFull
      }
      const size = this.#pendingBytes
      this.#pending = undefined
      this.#pendingBytes = 0
      if (Array.isArray(pending)) this.#sendAll(pending, size)
      else this.send(pending)
    }
    return !this.outputFull
  }

  #writeLater(): void {
    if (this.#isDue) return
    this.#isDue = true
    writeLater(this)
  }

  writeDue(): void {
    this.#isDue = false
    this.endTurn()
  }

  /**
   * Whether the duplex holds no output any more. Of a socket this means that the kernel has it, so that the memory may be
   * used again; any other Duplex may keep what it is given.
   */
  get isFlushed(): boolean {
    return this.#pending === undefined && this.duplex.writableLength === 0
  }

  /** The bytes of output that wait for the peer. */
  protected get waiting(): number {
    return this.duplex.writableLength + this.#pendingBytes
  }

  /** How many more bytes of output the peer takes before it is slow; 0 or less once it is. */
  get desiredSize(): number {
    return this.duplex.writableHighWaterMark - this.waiting
  }

  /** Drops the duplex and the unwritten output: a closed connection may be remembered for a while, but not with these. */
  protected dropDuplex(): void {
    this.duplex = DESTROYED_DUPLEX
    this.#pending = undefined
    this.#pendingBytes = 0
  }

  /** Writes what there is, now: what comes behind it may be an end. */
  protected uncork(): void {
    this.corked = false
    this.defers = false
    this.endTurn()
  }

  /**
   * Uncorks now, but writes what there is only some turns of the event loop later: to a client that speaks at once, a
   * greeting and the first answer are then one write.
   */
  protected uncorkSoon(): void {
    this.corked = false
    if (this.#pending === undefined) return
    if (delayedCount === 0) nextTurn(writeDelayed)
    delayedCount++
    ;(delayed[loopTurn] as TurnWriter[]).push(this)
  }

  #sendAll(pieces: readonly Buffer[], size: number): void {
    if (pieces.length > MAX_GATHERED_PIECES || size <= MAX_COPIED_BYTES) {
      this.send(Buffer.concat(pieces, size))
      return
    }
    this.duplex.cork()
    for (const piece of pieces) this.send(piece)
    this.duplex.uncork()
  }

  protected send(bytes: Buffer): void {
    this.bytesWritten += bytes.length
    // On a destroyed duplex `write` does nothing; its 'close' is on its way.
    if (this.duplex.write(bytes)) return
    this.outputFull = true
    this.pause()
  }

  /** A number that rises whenever bytes were written or have left. */
  protected get progress(): number {
    // `writableLength` counts a write until all of it has left; `writeQueueSize`, which net's own timeout uses too, is what
    // libuv still holds of it.
    const waiting = this.duplex.writableLength
    const queued = waiting === 0 ? 0 : ((this.duplex._parent ?? this.duplex)._handle?.writeQueueSize ?? 0)
    return 2 * this.bytesWritten - waiting - queued
  }
}
