import { type Clock, type Timer, unref } from '../../clock.js'

/** The times after which a connection is given up, in milliseconds; 0 is for ever. */
interface Timeouts {
  readonly idleTimeout: number
  readonly frameTimeout: number
  readonly drainTimeout: number
}

/** The same, counted in ticks of a watch; Infinity is for ever. */
export interface Deadlines extends Timeouts {
  /** Milliseconds from tick to tick; Infinity where there is no deadline. */
  readonly interval: number
  readonly idle: number
  readonly frame: number
  readonly drain: number
}

/** What a watch looks at. */
export interface Watched {
  /** Something that was started in it may still run when it has gone. */
  readonly isTraceable: boolean
  tick: (deadlines: Deadlines) => void
}

const LONGEST_INTERVAL = 1_000
/** So many that have gone are still known: one of them may have left a timer behind. */
const KNOWN = 256
/** How many ticks the shortest deadline has at least, unless that is under a millisecond. */
const TICKS = 4

/** Cuts deadlines into ticks: of at most a second, and at most a quarter of the shortest deadline. */
export function deadlines(timeouts: Timeouts): Deadlines {
  const { idleTimeout, frameTimeout, drainTimeout } = timeouts
  const shortest = Math.min(...[idleTimeout, frameTimeout, drainTimeout].map(time => time || Infinity))
  const interval = shortest === Infinity ? Infinity : Math.ceil(Math.min(shortest / TICKS, LONGEST_INTERVAL))
  const ticks = (timeout: number) => (timeout === 0 ? Infinity : Math.ceil(timeout / interval))
  return {
    ...timeouts,
    interval,
    idle: ticks(idleTimeout),
    frame: ticks(frameTimeout),
    drain: ticks(drainTimeout),
  }
}

const shared = new WeakMap<Clock, Map<string, DeadlineWatch<Watched>>>()

/**
 * Looks at all connections of a listener once a tick, so that no connection needs a timer, and a byte that comes costs
 * nothing. A deadline is found at its time or up to two ticks later, and never earlier.
 */
export class DeadlineWatch<Item extends Watched> {
  readonly #deadlines: Deadlines
  readonly #clock: Clock
  readonly #items = new Set<Item>()
  readonly #gone: Item[] = []
  #timer: Timer

  constructor(deadlines: Deadlines, clock: Clock) {
    this.#deadlines = deadlines
    this.#clock = clock
  }

  /** The watch that all with the same deadlines and clock share. */
  static shared(deadlines: Deadlines, clock: Clock): DeadlineWatch<Watched> {
    const { idleTimeout, frameTimeout, drainTimeout } = deadlines
    const key = [idleTimeout, frameTimeout, drainTimeout].join()
    const watches = shared.get(clock) ?? new Map<string, DeadlineWatch<Watched>>()
    const watch = watches.get(key) ?? new DeadlineWatch<Watched>(deadlines, clock)
    shared.set(clock, watches.set(key, watch))
    return watch
  }

  get items(): ReadonlySet<Item> {
    return this.#items
  }

  /** Those that are looked at, and the last that were. */
  get known(): readonly Item[] {
    return [...this.#items, ...this.#gone]
  }

  add(item: Item): void {
    this.#items.add(item)
    this.#wait()
  }

  delete(item: Item): void {
    this.#items.delete(item)
    if (item.isTraceable && this.#gone.push(item) > KNOWN) this.#gone.shift()
    if (this.#items.size > 0) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #wait(): void {
    const { interval } = this.#deadlines
    if (this.#timer !== undefined || this.#items.size === 0 || interval === Infinity) return
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      for (const item of this.#items) item.tick(this.#deadlines)
      this.#wait()
    }, interval)
    // It is the sockets that keep a process alive, and not that somebody looks at them.
    unref(this.#timer)
  }
}
