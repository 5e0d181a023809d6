import cluster from 'node:cluster'
import { isMainThread } from 'node:worker_threads'
import { ownThread } from '../../net/thread-link.js'
import type { Pipeline } from '../../pipeline.js'
import { bind, reconfigure } from '../bind.js'
import type { ListenOptions } from '../listen-options.js'
import type { Listener } from '../listener.js'
import type { PrimaryMessage, WorkerMessage } from './messages.js'
import type { IpcProcess } from './primary-acceptor.js'
import { NUMBER_VARIABLE } from './worker-number.js'

/** A pipeline with the options of its listener, as a worker makes them from a definition of its primary. */
export interface Defined {
  readonly pipeline: Pipeline<Buffer, Buffer>
  readonly options: ListenOptions
}

/** This process or thread, where it is a worker of a listener, with the link to its primary; undefined in any other. */
export function ownWorker(): { readonly number: number; readonly link: IpcProcess } | undefined {
  const thread = ownThread()
  if (thread !== undefined) return thread
  const number = process.env[NUMBER_VARIABLE]
  if (cluster.isPrimary || !isMainThread || number === undefined) return undefined
  return { number: Number(number), link: process as IpcProcess }
}

/**
 * The listeners of a worker whose script calls no `listen()`: the primary defines them, one by one, and changes them. A pipeline
 * cannot be sent to a worker, but what it is made of can. A definition of which nothing can be made ends the worker.
 */
export class DefinedListeners {
  /** The number of the worker. */
  readonly worker: number
  /** Resolves when the primary has closed all of them. */
  readonly closed: Promise<{ readonly forced: number }>
  readonly #link: IpcProcess
  readonly #make: (definition: unknown) => Promise<Defined>
  /** By name. A change waits until the listener is open. */
  readonly #listeners = new Map<string, Promise<Listener>>()
  #resolveClosed!: (result: { readonly forced: number }) => void
  #forced = 0

  constructor(
    { number, link }: NonNullable<ReturnType<typeof ownWorker>>,
    make: (definition: unknown) => Promise<Defined>,
  ) {
    this.worker = number
    this.#link = link
    this.#make = make
    this.closed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    link.on('message', this.#onMessage)
    this.#send({ bywash: 'follow' })
  }

  /** Closes all of them; another worker takes the place of this one. */
  async close(options: { readonly timeout?: number }): Promise<{ readonly forced: number }> {
    const listeners = await Promise.all(this.#listeners.values())
    await Promise.all(listeners.map(listener => listener.close(options)))
    return this.closed
  }

  readonly #onMessage = (message: PrimaryMessage | undefined) => {
    if (message?.bywash === 'define') void this.#open(message.listener, message.definition)
    else if (message?.bywash === 'change') void this.#change(message.listener, message.definition)
  }

  async #open(name: string, definition: unknown): Promise<void> {
    const opened = this.#make(definition).then(({ pipeline, options }) => bind(pipeline, options, { name }))
    this.#listeners.set(name, opened)
    const listener = await opened
    const { forced } = await listener.closed
    this.#forced += forced
    this.#listeners.delete(name)
    if (this.#listeners.size > 0) return
    this.#link.off('message', this.#onMessage)
    this.#resolveClosed({ forced: this.#forced })
  }

  async #change(name: string, definition: unknown): Promise<void> {
    const error = await this.#tryToChange(name, definition).then(
      () => undefined,
      ({ message }: Error) => message,
    )
    this.#send({ bywash: 'changed', listener: name, error })
  }

  async #tryToChange(name: string, definition: unknown): Promise<void> {
    const listener = await this.#listeners.get(name)
    // Its primary is closing it.
    if (listener === undefined) return
    const { pipeline, options } = await this.#make(definition)
    await reconfigure(listener, pipeline, options)
  }

  #send(message: WorkerMessage): void {
    // A failed send is ignored: when the primary is gone, the worker ends.
    this.#link.send(message, undefined, undefined, () => {})
  }
}
