import type { Writable } from 'node:stream'
import type { Copier, CopySink } from './copy-sink.js'
import { Waiters } from './waiters.js'

/** The connections that wait for a Writable, whose listeners are added once for all of them, when the first waits. */
const waitersOf = new WeakMap<Writable, Waiters>()

/** Writables that have our 'error' listener. Without one, an error of the sink would end the process. */
const listenedTo = new WeakSet<Writable>()

function ignore(): void {}

/** A Writable of the program's own, as one connection uses it. It is never ended. */
export class WritableSink implements CopySink {
  readonly title = 'a Writable'
  readonly #writable: Writable
  readonly #onWritten: (error?: Error | null) => void

  constructor(writable: Writable, copier: Copier) {
    this.#writable = writable
    this.#onWritten = error => copier.settle(1, error)
    if (!listenedTo.has(writable)) writable.on('error', ignore)
    listenedTo.add(writable)
  }

  get waiting(): number {
    return this.#writable.writableLength
  }

  get unit(): 'bytes' | 'items' {
    return this.#writable.writableObjectMode ? 'items' : 'bytes'
  }

  get isClosed(): boolean {
    return !this.#writable.writable
  }

  get error(): Error | null {
    return this.#writable.errored
  }

  write(item: unknown): void {
    const copy = typeof item === 'string' && this.unit === 'bytes' ? `${item}\n` : item
    this.#writable.write(copy, this.#onWritten)
  }

  /** Says so only while the Writable asks for a 'drain', behind which it tells: others may have filled it. */
  lags(maxPending: number): boolean {
    return this.#writable.writableNeedDrain && this.waiting >= maxPending
  }

  moved(): Promise<void> {
    let waiters = waitersOf.get(this.#writable)
    if (waiters === undefined) {
      const added = new Waiters()
      waiters = added
      waitersOf.set(this.#writable, added)
      for (const event of ['error', 'drain', 'close']) this.#writable.on(event, () => added.tell())
    }
    return waiters.wait()
  }

  release(): void {}
}
