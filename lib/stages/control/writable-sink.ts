import type { Writable } from 'node:stream'
import type { Copier, CopySink } from './copy-sink.js'

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

  release(): void {}
}
