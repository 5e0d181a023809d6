import type { ConnectionTable } from './connection-table.js'
import { SharedAddressCounts } from './shared-address-counts.js'

/** The memory that the primary shares with a thread about one listener. */
export interface SharedMemory {
  /** The id of the next connection of all listeners. */
  readonly ids: SharedArrayBuffer
  /** The number of the next connection of this listener. */
  readonly numbers: SharedArrayBuffer
  /** How many connections are open. */
  readonly open: SharedArrayBuffer
  /** The connections of each address. The system gives pages of it when they are first used. */
  readonly addresses: SharedArrayBuffer
}

/** The answer to a thread that has asked for a listener. */
export interface Place {
  readonly port: number
  readonly shared: SharedMemory
  /** The table of this thread. */
  readonly table: SharedArrayBuffer
  /** Stands for this thread in locks. */
  readonly owner: number
}

/** Ids of the connections of all listeners of this process with threads. They begin with 1. */
let ids: SharedArrayBuffer | undefined

function counterFromOne(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)
  new BigInt64Array(memory)[0] = 1n
  return memory
}

/** The counts of a listener that all its threads have in common. */
export class SharedListener {
  readonly memory: SharedMemory
  readonly ids: BigInt64Array
  readonly #numbers: BigInt64Array
  readonly #open: Int32Array

  constructor(memory: SharedMemory) {
    this.memory = memory
    this.ids = new BigInt64Array(memory.ids)
    this.#numbers = new BigInt64Array(memory.numbers)
    this.#open = new Int32Array(memory.open)
  }

  /** Makes the counts of a listener, in its primary. */
  static make(): SharedListener {
    ids ??= counterFromOne()
    return new SharedListener({
      ids,
      numbers: counterFromOne(),
      open: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
      addresses: SharedAddressCounts.allocate(),
    })
  }

  /** Connections that are open, or whose PROXY header is awaited. */
  get open(): number {
    return Atomics.load(this.#open, 0)
  }

  /** The number of connections so far. */
  get total(): number {
    return Number(Atomics.load(this.#numbers, 0)) - 1
  }

  /** Counts a connection that enters; returns false, and does not, where there are `limit` already. */
  enter(limit: number, table: ConnectionTable): boolean {
    for (;;) {
      const open = this.open
      if (open >= limit) return false
      if (Atomics.compareExchange(this.#open, 0, open, open + 1) !== open) continue
      table.enter()
      return true
    }
  }

  leave(table: ConnectionTable): void {
    Atomics.sub(this.#open, 0, 1)
    table.leave()
  }

  /** Takes away what a thread had when it died. */
  forget(table: ConnectionTable): void {
    Atomics.sub(this.#open, 0, table.entered)
  }

  nextId(): number {
    return Number(Atomics.add(this.ids, 0, 1n))
  }

  nextNumber(): number {
    return Number(Atomics.add(this.#numbers, 0, 1n))
  }
}
