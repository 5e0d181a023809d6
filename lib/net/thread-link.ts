import { EventEmitter } from 'node:events'
import type { MessagePort } from 'node:worker_threads'

/** Both ends of a link, as the primary makes them; a thread finds those of its own in `workerData`. */
export interface LinkEnd {
  readonly port: MessagePort
  /** How many messages each side has handled: the primary, and the thread. */
  readonly handled: SharedArrayBuffer
}

/** The side of a link, which is also the place of its number in `handled`. */
const PRIMARY = 0
const THREAD = 1

/**
 * One end of the link between the primary and one of its threads, with the members of a process with a channel: whoever talks to
 * a worker need not know which of the two it is. A port does not say when a message has arrived, so each side counts those that
 * it has handled in shared memory.
 */
export class ThreadLink extends EventEmitter {
  readonly channel: { readonly unref: () => void }
  readonly #port: MessagePort
  readonly #handled: Int32Array
  readonly #side: typeof PRIMARY | typeof THREAD
  /** Callbacks of messages that the other side has not handled. */
  readonly #waiting: (() => void)[] = []
  #settled = 0
  #isConnected = true

  constructor({ port, handled }: LinkEnd, side: typeof PRIMARY | typeof THREAD = PRIMARY) {
    super()
    this.#port = port
    this.#handled = new Int32Array(handled)
    this.#side = side
    this.channel = { unref: () => port.unref() }
    port.on('message', message => {
      try {
        this.emit('message', message)
      } finally {
        Atomics.add(this.#handled, this.#side, 1)
      }
    })
    port.on('close', () => {
      this.#isConnected = false
      this.#settle(this.#waiting.length)
      this.emit('disconnect')
    })
  }

  /** Whether the other side is there. To read it calls the callbacks of what has arrived meanwhile. */
  get connected(): boolean {
    // The numbers wrap.
    this.#settle((Atomics.load(this.#handled, 1 - this.#side) - this.#settled) | 0)
    return this.#isConnected
  }

  /** Sends a message; `sent` is called some time after it was handled, or cannot be any more. */
  send(message: unknown, _socket: unknown, _options: unknown, sent: () => void): void {
    this.#waiting.push(sent)
    // It also calls the callbacks of earlier messages.
    if (this.connected) this.#port.postMessage(message)
    else this.#settle(1)
  }

  /** Closes the link; the thread at its other end exits. */
  disconnect(): void {
    this.#port.close()
  }

  #settle(count: number): void {
    this.#settled = (this.#settled + count) | 0
    for (const sent of this.#waiting.splice(0, count)) sent()
  }
}

/** The data that a thread of a listener with workers is started with. */
export interface ThreadData {
  /** The number of the worker. */
  readonly number: number
  readonly link: LinkEnd
}

/** The thread as its listeners and rooms know it. */
export interface OwnThread {
  readonly number: number
  readonly link: ThreadLink
}

let own: OwnThread | undefined

/** This thread, where it is a worker of a listener; undefined in any other, and in the main thread. */
export function ownThread(): OwnThread | undefined {
  if (own !== undefined) return own
  // No import: every program would load the module, and few have threads.
  const { workerData } = process.getBuiltinModule('node:worker_threads')
  const data = (workerData as { readonly bywash?: ThreadData } | null | undefined)?.bywash
  if (data === undefined) return undefined
  const link = new ThreadLink(data.link, THREAD)
  // As a worker process does: without its primary nobody would end it.
  link.on('disconnect', () => process.exit())
  own = { number: data.number, link }
  return own
}
