import type { EventEmitter } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../../clock.js'
import { Connection, shareCount } from '../../connection.js'
import { BindError } from '../../errors.js'
import type { Acceptor } from '../acceptor.js'
import type { Dispatcher, OnGone } from '../dispatcher.js'
import { freeName } from './listener-names.js'
import type { Order, Report } from './messages.js'

/** What a worker uses of its process. */
export interface Port extends Pick<EventEmitter, 'on' | 'off'> {
  readonly send: (report: Report, handle: undefined, options: undefined, sent: () => void) => unknown
  readonly channel: { readonly unref: () => void }
}

function ignore(): void {}

/** A terminal sends its signals to workers too, but it is the primary that says when they end. */
const SIGNALS = ['SIGINT', 'SIGTERM']

/** Where a worker's connections come from. */
export class PrimaryAcceptor implements Acceptor {
  readonly worker: number
  readonly refused = 0
  /** Resolves when the primary listens. */
  readonly bound: Promise<void>
  readonly #name: string
  readonly #port: Port
  readonly #clock: Clock
  /** Those who have asked how many connections there were. */
  readonly #asked: ((total: number) => void)[] = []
  #address: AddressInfo | undefined
  #dispatcher: Dispatcher | undefined
  #close: (options: { readonly timeout: number }) => void = ignore
  #leaves: 'no' | 'told' | 'by itself' = 'no'
  #begin: () => void = ignore
  #dismiss: () => void = ignore

  constructor(name: string, worker: number, port: Port, clock: Clock) {
    this.#name = name
    this.worker = worker
    this.#port = port
    this.#clock = clock
    this.bound = new Promise(resolve => {
      this.#begin = resolve
    })
  }

  get address(): AddressInfo {
    return this.#address as AddressInfo
  }

  open(dispatcher: Dispatcher, close: (options: { readonly timeout: number }) => void): void {
    this.#dispatcher = dispatcher
    this.#close = close
    for (const signal of SIGNALS) this.#port.on(signal, ignore)
    this.#port.on('message', this.#obey)
    this.#tell({ bywash: 'ready', listener: this.#name })
  }

  suspend(): void {
    throw new BindError("suspend(): it is the primary that accepts; call its listener's suspend() instead")
  }

  async resume(): Promise<void> {
    throw new BindError("resume(): it is the primary that accepts; call its listener's resume() instead")
  }

  async close(served: Promise<number>): Promise<void> {
    const listener = this.#name
    if (this.#leaves === 'no') {
      this.#leaves = 'by itself'
      this.#tell({ bywash: 'leaving', listener })
    }
    const dismissed = new Promise<void>(resolve => {
      this.#dismiss = resolve
    })
    this.#tell({ bywash: 'closed', listener, forced: await served })
    await dismissed
    this.#port.off('message', this.#obey)
    for (const signal of SIGNALS) this.#port.off(signal, ignore)
    // The script may end now, as it could without workers.
    if (freeName(listener)) this.#port.channel.unref()
  }

  readonly onGone: OnGone = ({ id }, reason) => {
    this.#tell({ bywash: 'over', listener: this.#name, id, reason })
  }

  #tell(report: Report): void {
    // Without a primary this process ends: node:cluster sees to it.
    this.#port.send(report, undefined, undefined, ignore)
  }

  readonly #obey = (order: Order | undefined, socket: Socket) => {
    if (order?.bywash === 'ping') this.#tell({ bywash: 'pong' })
    else if (order?.bywash !== undefined && order.listener === this.#name) this.#follow(order, socket)
  }

  #follow(order: Exclude<Order, { readonly bywash: 'ping' }>, socket: Socket): void {
    switch (order.bywash) {
      case 'bound':
        this.#address = order.address
        if (order.tls !== undefined) this.#dispatcher?.setSecureContext(order.tls)
        this.#begin()
        break
      case 'serve':
        this.#serve(order.id, socket)
        break
      case 'secure':
        this.#dispatcher?.setSecureContext(order.tls)
        break
      case 'total':
        this.#asked.shift()?.(order.total)
        break
      case 'close':
        if (this.#leaves === 'no') this.#leaves = 'told'
        this.#close({ timeout: order.timeout })
        break
      case 'dismissed':
        this.#dismiss()
    }
  }

  /** Says that it is taken first: a client that was spoken to must not come to another worker. */
  #serve(id: number, socket: Socket): void {
    if (this.#leaves === 'by itself') {
      socket.destroy()
      return
    }
    this.#tell({ bywash: 'taken', listener: this.#name, id })
    socket.allowHalfOpen = true
    // Node forgets the address when the peer has gone. Asked for once now, it stays.
    void socket.remoteAddress
    const connection = new Connection(id, socket, this.#clock)
    shareCount(connection, answer => {
      this.#asked.push(answer)
      this.#tell({ bywash: 'count', listener: this.#name })
    })
    this.#dispatcher?.serve(socket, connection)
  }
}
