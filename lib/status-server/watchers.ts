import type { ServerResponse } from 'node:http'
import { type Clock, type Timer, unref } from '../clock.js'
import type { Snapshots } from './snapshots.js'

/** Readers of `/events` at once. A browser has a few pages open, and a machine few browsers. */
const MAX_WATCHERS = 32

const INTERVAL_MS = 1_000

/** Events in a row that a reader may leave out because the one before still waits; then it is dropped. */
const MAX_MISSED = 5

/** The readers of `/events`: each gets the same text once a second, and no more than one waits for any of them. */
export class Watchers {
  readonly #snapshots: Snapshots
  readonly #clock: Clock
  /** The number of events that each one has missed in a row. */
  readonly #missed = new Map<ServerResponse, number>()
  #timer: Timer | undefined

  constructor(snapshots: Snapshots, clock: Clock) {
    this.#snapshots = snapshots
    this.#clock = clock
  }

  get isFull(): boolean {
    return this.#missed.size >= MAX_WATCHERS
  }

  /** Begins to send events to a response whose head has been written. */
  async add(response: ServerResponse): Promise<void> {
    this.#missed.set(response, 0)
    response.on('close', () => this.#remove(response))
    const event = await this.#event()
    if (this.#missed.has(response)) response.write(event)
    if (this.#timer === undefined && this.#missed.size > 0) this.#schedule()
  }

  /** Ends all of them. */
  close(): void {
    for (const response of this.#missed.keys()) response.end()
  }

  #remove(response: ServerResponse): void {
    this.#missed.delete(response)
    if (this.#missed.size > 0) return
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimeout(() => void this.#tick(), INTERVAL_MS)
    unref(this.#timer)
  }

  async #tick(): Promise<void> {
    this.#schedule()
    const event = await this.#event()
    for (const [response, missed] of this.#missed) {
      if (response.writableLength === 0) {
        response.write(event)
        this.#missed.set(response, 0)
      } else if (missed < MAX_MISSED) {
        this.#missed.set(response, missed + 1)
      } else {
        response.destroy()
      }
    }
  }

  /** The event of this second. A status that cannot be had is an event too, so that a page can say so. */
  async #event(): Promise<string> {
    try {
      return `event: status\ndata: ${JSON.stringify(await this.#snapshots.get())}\n\n`
    } catch (error) {
      return `event: failure\ndata: ${JSON.stringify(String(error))}\n\n`
    }
  }
}
