import type { Reason } from '../../../outcome.js'
import type { RefusalReason } from '../../../status/status.js'
import type { Tally } from '../../../status/tally.js'

/** A connection that a thread serves, as its primary can read it when the thread has died. */
export interface TableEntry {
  readonly id: number
  /** The moment at which it was accepted, on the clock of the system. */
  readonly openedAt: number
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
}

/** The places of the counters. */
const REFUSED: Readonly<Record<RefusalReason, number>> = {
  'max-connections': 2,
  'max-connections-per-address': 3,
  address: 4,
  'open-files': 5,
  closed: 6,
  handshake: 7,
  'proxy-header': 8,
}
const ENDED: Readonly<Record<Reason, number>> = {
  end: 9,
  terminated: 10,
  become: 11,
  'client-reset': 12,
  'stage-error': 13,
  'upstream-error': 14,
  'exec-error': 15,
  'frame-too-long': 16,
  'invalid-frame': 17,
  'invalid-utf8': 18,
  'idle-timeout': 19,
  'frame-timeout': 20,
  'drain-timeout': 21,
  'slow-consumer': 22,
  'half-close-timeout': 23,
  shutdown: 24,
  refused: 25,
  'worker-died': 26,
}
const ENTERED = 0
const OPENED = 1
const COUNTERS = 27

/** The longest text of an address that is kept: IPv6 with a zone of some characters. */
const ADDRESS_BYTES = 61
const NUMBER_BYTES = 8
/** An id, a moment, a port, the length of an address and the address. */
const ENTRY_BYTES = 2 * NUMBER_BYTES + 2 + 1 + ADDRESS_BYTES

/** The most connections of a thread that have an entry. Of more than these the primary knows only the number. */
export const MAX_ENTRIES = 65_536

/**
 * The open connections of one thread and its counts, in memory that the primary shares: what the thread knew outlives it. One
 * thread writes, so nothing is locked.
 */
export class ConnectionTable implements Tally {
  readonly #counters: Float64Array
  readonly #ids: BigInt64Array
  readonly #openedAt: Float64Array
  readonly #ports: Uint16Array
  readonly #lengths: Uint8Array
  readonly #addresses: Buffer
  /** Places that were used and are free again; above the highest one all are. */
  readonly #free: number[] = []
  #used = 0

  /** @param memory - What `allocate()` has returned, here or in another thread. */
  constructor(memory: SharedArrayBuffer) {
    const entries = Math.floor((memory.byteLength - COUNTERS * NUMBER_BYTES) / ENTRY_BYTES)
    let offset = 0
    const next = (bytes: number) => {
      offset += bytes
      return offset - bytes
    }
    this.#counters = new Float64Array(memory, next(COUNTERS * NUMBER_BYTES), COUNTERS)
    this.#ids = new BigInt64Array(memory, next(entries * NUMBER_BYTES), entries)
    this.#openedAt = new Float64Array(memory, next(entries * NUMBER_BYTES), entries)
    this.#ports = new Uint16Array(memory, next(2 * entries), entries)
    this.#lengths = new Uint8Array(memory, next(entries), entries)
    this.#addresses = Buffer.from(memory, next(entries * ADDRESS_BYTES), entries * ADDRESS_BYTES)
  }

  /** Makes the memory for some connections. The system gives pages of it when they are first used. */
  static allocate(connections = MAX_ENTRIES): SharedArrayBuffer {
    return new SharedArrayBuffer(COUNTERS * NUMBER_BYTES + Math.min(connections, MAX_ENTRIES) * ENTRY_BYTES)
  }

  /** Connections that are open, or whose PROXY header is awaited. */
  get entered(): number {
    return this.#counters[ENTERED] as number
  }

  get opened(): number {
    return this.#counters[OPENED] as number
  }

  get refused(): Partial<Record<RefusalReason, number>> {
    return this.#read(REFUSED)
  }

  get ended(): Partial<Record<Reason, number>> {
    return this.#read(ENDED)
  }

  enter(): void {
    this.#add(ENTERED, 1)
  }

  leave(): void {
    this.#add(ENTERED, -1)
  }

  open(): void {
    this.#add(OPENED, 1)
  }

  refuse(reason: RefusalReason): void {
    this.#add(REFUSED[reason], 1)
  }

  end(reason: Reason): void {
    this.#add(ENDED[reason], 1)
  }

  turnAway(): void {
    this.#add(OPENED, -1)
    this.refuse('handshake')
  }

  /**
   * Enters a connection with the next of the ids; returns its place, or -1 where all are taken. A thread that is terminated ends
   * where it calls a function or begins a loop again, so between the two halves of the last assignment it does not: no id is lost.
   *
   * @param nextIds - The next id of all threads, in its first element.
   */
  take(nextIds: BigInt64Array, { openedAt, remoteAddress, remotePort = 0 }: Omit<TableEntry, 'id'>): number {
    const place = this.#free.pop() ?? (this.#used < this.#ids.length ? this.#used++ : -1)
    if (place === -1) return -1
    this.#openedAt[place] = openedAt
    this.#ports[place] = remotePort
    const start = place * ADDRESS_BYTES
    this.#lengths[place] =
      remoteAddress === undefined ? 0 : this.#addresses.write(remoteAddress, start, ADDRESS_BYTES, 'latin1')
    this.#ids[place] = Atomics.add(nextIds, 0, 1n)
    return place
  }

  idAt(place: number): number {
    return Number(this.#ids[place])
  }

  /** Removes the connection at a place. */
  clear(place: number): void {
    this.#ids[place] = 0n
    this.#free.push(place)
  }

  /** The connections that are open, or were when the thread died. */
  *entries(): Generator<TableEntry> {
    for (let place = 0; place < this.#ids.length; place++) {
      if (this.#ids[place] === 0n) continue
      const start = place * ADDRESS_BYTES
      const length = this.#lengths[place] as number
      yield {
        id: this.idAt(place),
        openedAt: this.#openedAt[place] as number,
        remoteAddress: length === 0 ? undefined : this.#addresses.toString('latin1', start, start + length),
        remotePort: this.#ports[place] || undefined,
      }
    }
  }

  #add(counter: number, count: 1 | -1): void {
    this.#counters[counter] = (this.#counters[counter] as number) + count
  }

  #read<Name extends string>(places: Readonly<Record<Name, number>>): Partial<Record<Name, number>> {
    const counted = Object.entries<number>(places).flatMap(([name, place]) => {
      const count = this.#counters[place] as number
      return count === 0 ? [] : [[name, count] as const]
    })
    return Object.fromEntries(counted) as Partial<Record<Name, number>>
  }
}
