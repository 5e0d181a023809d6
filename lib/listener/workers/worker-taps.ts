import type { Tap, TapEvent } from '../../status/taps/tap-event.js'
import type { TapSettings } from '../../status/taps/tap-options.js'
import type { WorkerPool } from './pool.js'
import type { WorkerProcess } from './worker-process.js'

/** A tap at the connections of all workers. */
interface PoolTap {
  readonly settings: TapSettings
  readonly onEvent: (event: TapEvent) => void
}

/** The taps of one listener, in its primary: each worker attaches its own, and sends what that tells. */
export class WorkerTaps {
  readonly #listener: string
  readonly #pool: WorkerPool
  readonly #taps = new Map<number, PoolTap>()
  #last = 0

  constructor(listener: string, pool: WorkerPool) {
    this.#listener = listener
    this.#pool = pool
  }

  /** @param connections - Those that it sees now. */
  add(settings: TapSettings, onEvent: (event: TapEvent) => void, connections: number): Tap {
    const listener = this.#listener
    const tap = ++this.#last
    this.#taps.set(tap, { settings, onEvent })
    this.#pool.broadcast(listener, { bywash: 'tap', listener, tap, settings })
    const close = () => {
      if (this.#taps.delete(tap)) this.#pool.broadcast(listener, { bywash: 'untap', listener, tap })
    }
    return { connections, close }
  }

  /** Attaches the taps that there are in a worker that has come later. */
  onReady(worker: WorkerProcess): void {
    const listener = this.#listener
    for (const [tap, { settings }] of this.#taps) worker.send({ bywash: 'tap', listener, tap, settings })
  }

  /** Called with what a worker has sent; a tap may have ended meanwhile. */
  onEvent(tap: number, event: TapEvent): void {
    this.#taps.get(tap)?.onEvent(event)
  }
}
