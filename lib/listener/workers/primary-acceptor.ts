import type { EventEmitter } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../clock.js'
import { Connection, shareCount } from '../../connection.js'
import { BindError } from '../../errors.js'
import type { Acceptor } from '../acceptor.js'
import type { Dispatcher, OnGone } from '../dispatcher.js'
import { freeName } from './listener-names.js'
import type { PrimaryListenerMessage, PrimaryMessage, WorkerMessage } from './messages.js'

/** What a worker uses of its process. */
export interface IpcProcess extends Pick<EventEmitter, 'on' | 'off'> {
  readonly send: (message: WorkerMessage, handle: undefined, options: undefined, sent: () => void) => unknown
  readonly channel: { readonly unref: () => void }
}

function ignore(): void {}

/** A terminal sends its signals to workers too, but it is the primary that says when they end. */
const IGNORED_SIGNALS = ['SIGINT', 'SIGTERM']

/** Where a worker's connections come from. */
export class PrimaryAcceptor implements Acceptor {
  readonly worker: number
  readonly refused = 0
  /** Resolves when the primary listens. */
  readonly bound: Promise<void>
  readonly #name: string
  readonly #process: IpcProcess
  readonly #clock: Clock
  /** Those who have asked how many connections there were. */
  readonly #countCallbacks: ((total: number) => void)[] = []
  #address: AddressInfo | undefined
  #dispatcher: Dispatcher | undefined
  #closeListener: (options: { readonly timeout: number }) => void = ignore
  #closing: 'no' | 'by primary' | 'by itself' = 'no'
  #resolveBound: () => void = ignore
  #resolveDismissed: () => void = ignore

  constructor(name: string, worker: number, process: IpcProcess, clock: Clock) {
    this.#name = name
    this.worker = worker
    this.#process = process
    this.#clock = clock
    this.bound = new Promise(resolve => {
      this.#resolveBound = resolve
    })
  }

  get address(): AddressInfo {
    return this.#address as AddressInfo
  }

  open(dispatcher: Dispatcher, close: (options: { readonly timeout: number }) => void): void {
    this.#dispatcher = dispatcher
    this.#closeListener = close
    for (const signal of IGNORED_SIGNALS) this.#process.on(signal, ignore)
    this.#process.on('message', this.#onMessage)
    this.#send({ bywash: 'ready', listener: this.#name })
  }

  suspend(): void {
    throw new BindError("suspend(): it is the primary that accepts; call its listener's suspend() instead")
  }

  async resume(): Promise<void> {
    throw new BindError("resume(): it is the primary that accepts; call its listener's resume() instead")
  }

  async close(served: Promise<number>): Promise<void> {
    const listener = this.#name
    if (this.#closing === 'no') {
      this.#closing = 'by itself'
      this.#send({ bywash: 'leaving', listener })
    }
    const dismissed = new Promise<void>(resolve => {
      this.#resolveDismissed = resolve
    })
    this.#send({ bywash: 'closed', listener, forced: await served })
    await dismissed
    this.#process.off('message', this.#onMessage)
    for (const signal of IGNORED_SIGNALS) this.#process.off(signal, ignore)
    // The script may end now, as it could without workers.
    if (freeName(listener)) this.#process.channel.unref()
  }

  readonly onGone: OnGone = ({ id }, reason) => {
    this.#send({ bywash: 'over', listener: this.#name, id, reason })
  }

  #send(message: WorkerMessage): void {
    // Without a primary this process ends: node:cluster sees to it.
    this.#process.send(message, undefined, undefined, ignore)
  }

  readonly #onMessage = (message: PrimaryMessage | undefined, socket: Socket) => {
    if (message?.bywash === undefined) return
    if (message.bywash === 'ping') this.#send({ bywash: 'pong' })
    else if (message.listener === this.#name) this.#onListenerMessage(message, socket)
  }

  #onListenerMessage(message: PrimaryListenerMessage, socket: Socket): void {
    switch (message.bywash) {
      case 'bound':
        this.#address = message.address
        if (message.tls !== undefined) this.#dispatcher?.setSecureContext(message.tls)
        this.#resolveBound()
        break
      case 'serve':
        this.#serve(message.id, socket)
        break
      case 'secure':
        this.#dispatcher?.setSecureContext(message.tls)
        break
      case 'total':
        this.#countCallbacks.shift()?.(message.total)
        break
      case 'close':
        if (this.#closing === 'no') this.#closing = 'by primary'
        this.#closeListener({ timeout: message.timeout })
        break
      case 'dismissed':
        this.#resolveDismissed()
    }
  }

  /** Says that it is taken first: a client that was spoken to must not come to another worker. */
  #serve(id: number, socket: Socket): void {
    if (this.#closing === 'by itself') {
      socket.destroy()
      return
    }
    this.#send({ bywash: 'taken', listener: this.#name, id })
    socket.allowHalfOpen = true
    // Node forgets the address when the peer has gone. Asked for once now, it stays.
    void socket.remoteAddress
    const connection = new Connection(id, socket, this.#clock)
    shareCount(connection, answer => {
      this.#countCallbacks.push(answer)
      this.#send({ bywash: 'count', listener: this.#name })
    })
    this.#dispatcher?.serve(socket, connection)
  }
}
