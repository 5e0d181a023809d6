import type { AddressCounts } from '../../admission.js'

/** The entries that an address may have; the first of them is where its hash says. */
const WINDOW = 64
/** The most entries of a table: 12 bytes each. */
const MAX_ENTRIES = 262_144
/** The longest time that a thread sleeps before it looks at the lock again. */
const LOCK_WAIT_MS = 1

/** The lock, two random numbers, and the entries: two halves of a hash, and a count. */
const LOCK = 0
const SEEDS = [1, 2] as const
const HEAD = 3
const ENTRY = 3

/**
 * Counts of all threads of a listener. An address is known by a hash of 64 bits with a seed that nobody outside knows, so two
 * that would share a count cannot be looked for. To count one more takes a lock, and to count one less does not: an entry
 * belongs to its address for as long as it counts anything.
 */
export class SharedAddressCounts implements AddressCounts {
  readonly #words: Int32Array
  readonly #entries: number
  readonly #owner: number

  /** @param owner - Stands for this thread in the lock; not 0. */
  constructor(memory: SharedArrayBuffer, owner: number) {
    this.#words = new Int32Array(memory)
    this.#entries = (this.#words.length - HEAD) / ENTRY
    this.#owner = owner
  }

  /** Makes the memory for some connections, with a longest table unless they are fewer. */
  static allocate(connections = MAX_ENTRIES): SharedArrayBuffer {
    const entries = Math.min(MAX_ENTRIES, 2 ** Math.ceil(Math.log2(4 * Math.max(connections, WINDOW))))
    const words = new Int32Array(new SharedArrayBuffer(4 * (HEAD + ENTRY * entries)))
    // A client that knew the seeds could find addresses that share a count.
    words.set(crypto.getRandomValues(new Int32Array(SEEDS.length)), SEEDS[0])
    return words.buffer
  }

  take(address: string, limit: number): boolean {
    this.#lock()
    const taken = this.#takeLocked(address, limit)
    this.unlock(this.#owner)
    return taken
  }

  release(address: string): void {
    const [one, other] = this.#hash(address)
    const place = this.#find(one, other)
    if (place !== -1) Atomics.sub(this.#words, place + 2, 1)
  }

  /** Takes the lock from a thread that has died with it. */
  unlock(owner: number): void {
    if (Atomics.compareExchange(this.#words, LOCK, owner, 0) === owner) Atomics.notify(this.#words, LOCK, 1)
  }

  #lock(): void {
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, LOCK, 0, this.#owner)
      if (holder === 0) return
      Atomics.wait(this.#words, LOCK, holder, LOCK_WAIT_MS)
    }
  }

  /** An address for which its window has no entry is refused: there are as many others whose hashes are near. */
  #takeLocked(address: string, limit: number): boolean {
    const [one, other] = this.#hash(address)
    const known = this.#find(one, other)
    if (known !== -1) {
      if (Atomics.load(this.#words, known + 2) >= limit) return false
      Atomics.add(this.#words, known + 2, 1)
      return true
    }
    const free = this.#find(undefined, undefined, one)
    if (free === -1) return false
    this.#words[free] = one
    this.#words[free + 1] = other
    Atomics.store(this.#words, free + 2, 1)
    return true
  }

  /** The place of an address, or of an entry that counts nothing; -1 if there is none. */
  #find(one: number | undefined, other: number | undefined, start = one as number): number {
    for (let step = 0; step < WINDOW; step++) {
      const place = HEAD + ENTRY * (((start >>> 0) + step) & (this.#entries - 1))
      const count = Atomics.load(this.#words, place + 2)
      const fits =
        one === undefined
          ? count === 0
          : count > 0 && this.#words[place] === one && this.#words[place + 1] === other
      if (fits) return place
    }
    return -1
  }

  /** Two hashes, FNV-1a, each with a seed of its own and its bits mixed at the end. */
  #hash(address: string): readonly [number, number] {
    let [one, other] = SEEDS.map(place => this.#words[place]) as [number, number]
    for (let index = 0; index < address.length; index++) {
      const code = address.charCodeAt(index)
      one = Math.imul(one ^ code, 0x01000193)
      other = Math.imul(other ^ code, 0x85ebca6b)
      other ^= other >>> 13
    }
    one ^= one >>> 16
    one = Math.imul(one, 0x7feb352d)
    return [one ^ (one >>> 15), Math.imul(other, 0xc2b2ae35) ^ (other >>> 16)]
  }
}
