import { type Clock, type Timer, unref } from '../../clock.js'

/** The timeouts that a watch checks, in milliseconds; 0 is for ever. */
interface Timeouts {
  readonly idleTimeout: number
  readonly frameTimeout: number
  readonly drainTimeout: number
}

/** The timeouts, and the same counted in ticks of a watch; Infinity is for ever. */
export interface Deadlines extends Timeouts {
  /** Milliseconds from tick to tick; Infinity where no timeout is set. */
  readonly interval: number
  readonly idle: number
  readonly frame: number
  readonly drain: number
}

/** Something with deadlines: a connection. */
export interface Watched {
  /** Whether a stage has started something that may still run, and throw, when the connection is closed. */
  readonly isTraceable: boolean
  tick: (deadlines: Deadlines) => void
}

const MAX_INTERVAL_MS = 1_000
/** Closed connections that are remembered, so that a late timer can be traced to its connection. */
const MAX_REMEMBERED = 256
/** Ticks that the shortest timeout is cut into at least, unless a tick would be less than a millisecond. */
const MIN_TICKS = 4

/** Cuts timeouts into ticks: of at most a second, and at most a quarter of the shortest timeout. */
export function deadlines(timeouts: Timeouts): Deadlines {
  const { idleTimeout, frameTimeout, drainTimeout } = timeouts
  const shortest = Math.min(...[idleTimeout, frameTimeout, drainTimeout].map(time => time || Infinity))
  const interval =
    shortest === Infinity ? Infinity : Math.ceil(Math.min(shortest / MIN_TICKS, MAX_INTERVAL_MS))
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
 * Checks all connections of a listener once a tick, so that no connection needs a timer, and a byte that arrives costs
 * nothing. A timeout is noticed when it is over or up to two ticks later, and never earlier.
 */
export class DeadlineWatch<Item extends Watched> {
  readonly #deadlines: Deadlines
  readonly #clock: Clock
  readonly #items = new Set<Item>()
  /** The last items that were removed and are traceable, oldest first. */
  readonly #remembered: Item[] = []
  readonly #onEmpty: () => void
  #timer: Timer

  /** @param onEmpty - Called when the last item is removed. */
  constructor(deadlines: Deadlines, clock: Clock, onEmpty: () => void = () => {}) {
    this.#deadlines = deadlines
    this.#clock = clock
    this.#onEmpty = onEmpty
  }

  /** Returns the one watch of these timeouts on this clock. It is forgotten when it is empty: a client may choose timeouts. */
  static shared(deadlines: Deadlines, clock: Clock): DeadlineWatch<Watched> {
    const { idleTimeout, frameTimeout, drainTimeout } = deadlines
    const key = [idleTimeout, frameTimeout, drainTimeout].join()
    const watches = shared.get(clock) ?? new Map<string, DeadlineWatch<Watched>>()
    shared.set(clock, watches)
    const watch = watches.get(key) ?? new DeadlineWatch<Watched>(deadlines, clock, () => watches.delete(key))
    watches.set(key, watch)
    return watch
  }

  get items(): ReadonlySet<Item> {
    return this.#items
  }

  /** The watched items, and those that are remembered: an error that nobody caught may belong to any of them. */
  get traceable(): readonly Item[] {
    return [...this.#items, ...this.#remembered]
  }

  add(item: Item): void {
    this.#items.add(item)
    this.#schedule()
  }

  delete(item: Item): void {
    this.#items.delete(item)
    if (item.isTraceable && this.#remembered.push(item) > MAX_REMEMBERED) this.#remembered.shift()
    if (this.#items.size > 0) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#onEmpty()
  }

  #schedule(): void {
    const { interval } = this.#deadlines
    if (this.#timer !== undefined || this.#items.size === 0 || interval === Infinity) return
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined
      for (const item of this.#items) item.tick(this.#deadlines)
      this.#schedule()
    }, interval)
    // The sockets keep the process alive; this timer must not.
    unref(this.#timer)
  }
}
