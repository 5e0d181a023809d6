import type { Connection } from '../../connection.js'
import type { BusMessage } from './bus.js'
import { SharedItem } from './shared-item.js'
import type { Subscriber } from './subscriber.js'

/** How many other processes may publish to a room before the one that was silent longest is forgotten. */
const MAX_ORIGINS = 1_000

/** The subscribers of one topic, with what those who join are sent first. */
export class Room<T> {
  readonly subscribers = new Set<Subscriber<T>>()
  /** The last items, oldest first. */
  #history: SharedItem<T>[] = []
  /** How many items each other process had published when its last message came. */
  #sequences: Map<string, number> | undefined

  /** Delivers an item to all but one connection, and returns how many items subscribers have missed for it. */
  deliver(item: T, history: number, except: Connection | undefined): number {
    const shared = new SharedItem(item)
    if (history > 0) {
      this.#history.push(shared)
      if (this.#history.length > history) this.#history.splice(0, this.#history.length - history)
    }
    let missed = 0
    for (const subscriber of this.subscribers) {
      if (subscriber.connection !== except) missed += subscriber.deliver(shared)
    }
    return missed
  }

  join(subscriber: Subscriber<T>): void {
    this.subscribers.add(subscriber)
    for (const shared of this.#history) subscriber.deliver(shared)
  }

  /** Takes the number of a message of another process; returns how many of that process were lost before it. */
  countFrom({ origin, sequence }: BusMessage): number {
    this.#sequences ??= new Map()
    const sequences = this.#sequences
    const last = sequences.get(origin)
    // The latest is the last, so that the first is the one to forget.
    sequences.delete(origin)
    sequences.set(origin, sequence)
    if (sequences.size > MAX_ORIGINS) sequences.delete(sequences.keys().next().value as string)
    // A process that has forgotten a topic begins again at 1.
    return last === undefined || sequence <= last ? 0 : sequence - last - 1
  }
}
