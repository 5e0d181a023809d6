import type { EventEmitter } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../clock.js'
import { Connection, shareCount } from '../../connection.js'
import { BindError, InvalidOptionError } from '../../errors.js'
import { publishListener } from '../../status/diagnostics.js'
import type { Tap } from '../../status/taps/tap-event.js'
import type { Acceptor } from '../acceptor.js'
import type { Dispatcher, OnGone } from '../dispatcher.js'
import { freeName } from './listener-names.js'
import type { PrimaryListenerMessage, PrimaryMessage, ServedConnection, WorkerMessage } from './messages.js'

/** The part of `process` that a worker needs to exchange messages with its primary. */
export interface IpcProcess extends Pick<EventEmitter, 'on' | 'off'> {
  readonly send: (message: WorkerMessage, handle: undefined, options: undefined, sent: () => void) => unknown
  readonly channel: { readonly unref: () => void }
}

function ignore(): void {}

/** Signals that a terminal, or its end, sends to workers too. They ignore them, since the primary decides when they end. */
const IGNORED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Acceptor of a worker: the primary sends it connections. */
export class PrimaryAcceptor implements Acceptor {
  readonly worker: number
  readonly refused = 0
  readonly isListening = true
  /** Resolves when the primary has said at which address it listens. */
  readonly bound: Promise<void>
  readonly #name: string
  readonly #process: IpcProcess
  readonly #clock: Clock
  /** Callbacks of `count` requests in their order, which is also the order of the answers. */
  readonly #countCallbacks: ((total: number) => void)[] = []
  /** The taps of the primary, by its numbers. */
  readonly #taps = new Map<number, Promise<Tap>>()
  #address: AddressInfo | undefined
  #dispatcher: Dispatcher | undefined
  #closeListener: (options: { readonly timeout: number }) => void = ignore
  /** Cause of the close: set by the first one. */
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

  take(): void {
    throw new InvalidOptionError('serve(): a worker gets its connections from its primary.')
  }

  async suspend(): Promise<void> {
    throw new BindError("suspend(): it is the primary that accepts; call its listener's suspend() instead")
  }

  async resume(): Promise<void> {
    throw new BindError("resume(): it is the primary that accepts; call its listener's resume() instead")
  }

  /** It has no settings: those of the dispatcher are all that there are. */
  change(): void {}

  /** It has no address of its own either. */
  async retire(): Promise<void> {}

  async settled(): Promise<void> {}

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
    // Without a listener the channel must not keep the process alive: the script may end, as it could without workers.
    if (freeName(listener)) this.#process.channel.unref()
  }

  readonly onGone: OnGone = ({ id }, reason) => {
    this.#send({ bywash: 'over', listener: this.#name, id, reason })
  }

  #send(message: WorkerMessage): void {
    // A failed send is ignored: when the primary is gone, node:cluster ends this process.
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
        publishListener('open', this)
        this.#resolveBound()
        break
      case 'serve':
        this.#serve(message, socket)
        break
      case 'secure':
        this.#dispatcher?.setSecureContext(message.tls)
        break
      case 'look':
        void this.#tellStatus()
        break
      case 'tap':
        this.#tap(message)
        break
      case 'untap':
        void this.#untap(message.tap)
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

  async #tellStatus(): Promise<void> {
    const { worker, address } = this
    const status = await this.#dispatcher?.status({ name: '', address, state: 'open', worker })
    if (status !== undefined) this.#send({ bywash: 'status', listener: this.#name, status })
  }

  #tap({ tap, settings }: Extract<PrimaryListenerMessage, { bywash: 'tap' }>): void {
    const attached = this.#dispatcher?.tap(settings, event =>
      this.#send({ bywash: 'tapped', listener: this.#name, tap, event }),
    )
    if (attached !== undefined) this.#taps.set(tap, attached)
  }

  async #untap(number: number): Promise<void> {
    const attached = this.#taps.get(number)
    this.#taps.delete(number)
    const tap = await attached
    tap?.close()
  }

  /** Sends `taken` before it serves: a client that has been sent something must never go to another worker. */
  #serve({ id, number, ends, head }: ServedConnection, socket: Socket): void {
    if (this.#closing === 'by itself') {
      socket.destroy()
      return
    }
    this.#send({ bywash: 'taken', listener: this.#name, id })
    socket.allowHalfOpen = true
    // Once read, Node keeps the address; it could not be read any more after the peer has gone.
    void socket.remoteAddress
    const connection = new Connection(id, ends ?? socket, this.#clock)
    const askTotal = (answer: (total: number) => void) => {
      this.#countCallbacks.push(answer)
      this.#send({ bywash: 'count', listener: this.#name })
    }
    shareCount(connection, { number, askTotal })
    this.#dispatcher?.serve(socket, connection, head === undefined ? undefined : Buffer.from(head, 'base64'))
  }
}
