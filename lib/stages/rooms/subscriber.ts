import type { Connection } from '../../connection.js'
import { SlowConsumerError } from '../../errors.js'
import type { HoldingController } from '../../stage.js'
import type { SharedItem } from './shared-item.js'

/** The outcome for a subscriber for which more waits than `maxPending`. */
export type OnSlow = 'disconnect' | 'drop-oldest' | 'drop-newest'

/** The settings of a subscriber. */
export interface SubscriberSettings<T> {
  readonly maxPending: number
  readonly onSlow: OnSlow
  readonly missed: (count: number) => T | undefined
}

/** Items that a subscriber has missed, at their place between those that wait. */
class Missed {
  constructor(public count: number) {}
}

/**
 * One connection in a room, with what waits for it.
 *
 * @internal
 */
export class Subscriber<T> {
  readonly connection: Connection
  /** How many items it has missed. */
  missed = 0
  readonly #controller: HoldingController<T>
  readonly #settings: SubscriberSettings<T>
  /** The items that wait for the peer to read, oldest first, from `#first` on; undefined while none does. */
  #waiting: (SharedItem<T> | Missed | undefined)[] | undefined
  #first = 0
  #waitingSize = 0
  #hasLeft = false

  constructor(connection: Connection, controller: HoldingController<T>, settings: SubscriberSettings<T>) {
    this.connection = connection
    this.#controller = controller
    this.#settings = settings
  }

  /** Sends an item, or lets it wait while the peer is slow; returns how many items are missed for it. */
  deliver(shared: SharedItem<T>): number {
    if (this.#hasLeft) return 0
    if (this.#waiting === undefined && this.#controller.desiredSize > 0) {
      shared.send(this.#controller)
      return 0
    }
    const before = this.missed
    this.#hold(shared)
    return this.missed - before
  }

  /** Tells it that items were lost on their way. */
  miss(count: number): void {
    if (this.#hasLeft) return
    this.missed += count
    if (this.#waiting === undefined && this.#controller.desiredSize > 0) this.#tell(count)
    else this.#addMissed(count)
  }

  /** Whether something waits for it, and the size of that. */
  get isLagging(): boolean {
    return this.#waiting !== undefined
  }

  get waitingSize(): number {
    return this.#waitingSize
  }

  leave(): void {
    this.#hasLeft = true
    this.#waiting = undefined
    this.#waitingSize = 0
  }

  #hold(shared: SharedItem<T>): void {
    const { maxPending, onSlow } = this.#settings
    if (this.#waitingSize + shared.size > maxPending) {
      if (onSlow === 'disconnect') {
        this.leave()
        this.#controller.error(new SlowConsumerError(maxPending))
        return
      }
      if (onSlow === 'drop-oldest') this.#dropOldest(maxPending - shared.size)
      if (this.#waitingSize + shared.size > maxPending) {
        this.missed++
        this.#addMissed(1)
        return
      }
    }
    this.#waitingSize += shared.size
    this.#add(shared)
  }

  /** Drops items from the front until no more than `limit` wait; their number stands in their place. */
  #dropOldest(limit: number): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    let count = 0
    while (this.#waitingSize > limit && this.#first < waiting.length) {
      const dropped = this.#shift(waiting)
      if (dropped instanceof Missed) {
        count += dropped.count
      } else {
        this.#waitingSize -= dropped.size
        this.missed++
        count++
      }
    }
    waiting[--this.#first] = new Missed(count)
    // The places in front of the first are empty; there are never more of them than items.
    if (2 * this.#first < waiting.length) return
    waiting.splice(0, this.#first)
    this.#first = 0
  }

  #shift(waiting: (SharedItem<T> | Missed | undefined)[]): SharedItem<T> | Missed {
    const first = waiting[this.#first]
    waiting[this.#first++] = undefined
    return first as SharedItem<T> | Missed
  }

  #addMissed(count: number): void {
    const last = this.#waiting?.at(-1)
    if (last instanceof Missed) last.count += count
    else this.#add(new Missed(count))
  }

  #add(item: SharedItem<T> | Missed): void {
    if (this.#waiting === undefined) {
      this.#waiting = []
      this.#first = 0
      this.#goOnWhenReady()
    }
    this.#waiting.push(item)
  }

  #goOnWhenReady(): void {
    this.#controller.ready.then(() => this.#goOn())
  }

  /** Sends what waits, until the peer is slow again. */
  #goOn(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    while (this.#first < waiting.length && this.#controller.desiredSize > 0) {
      const next = this.#shift(waiting)
      if (next instanceof Missed) {
        this.#tell(next.count)
      } else {
        this.#waitingSize -= next.size
        next.send(this.#controller)
      }
    }
    if (this.#first === waiting.length) this.#waiting = undefined
    else if (this.#controller.isOver) this.leave()
    else this.#goOnWhenReady()
  }

  #tell(count: number): void {
    try {
      const item = this.#settings.missed(count)
      if (item !== undefined) this.#controller.enqueue(item)
    } catch (cause) {
      this.#controller.error(cause)
    }
  }
}
