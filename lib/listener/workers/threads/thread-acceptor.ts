import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionSettings } from '../../../engine/connection-options.js'
import type { ThreadLink } from '../../../net/thread-link.js'
import type { Acceptor } from '../../acceptor.js'
import type { Dispatcher } from '../../dispatcher.js'
import type { ListenSettings } from '../../listen-options.js'
import type { ServerAcceptor } from '../../server-acceptor.js'
import type { PrimaryMessage } from '../messages.js'
import type { PrimaryAcceptor } from '../primary-acceptor.js'

/** Acceptor of a thread: it has a server of its own, and its primary opens and closes it. */
export class ThreadAcceptor implements Acceptor {
  readonly #name: string
  readonly #server: ServerAcceptor
  readonly #primary: PrimaryAcceptor
  readonly #link: ThreadLink

  constructor(name: string, server: ServerAcceptor, primary: PrimaryAcceptor, link: ThreadLink) {
    this.#name = name
    this.#server = server
    this.#primary = primary
    this.#link = link
  }

  get address(): AddressInfo {
    return this.#server.address
  }

  get refused(): number {
    return this.#server.refused
  }

  get worker(): number {
    return this.#primary.worker
  }

  get isListening(): boolean {
    return this.#server.isListening
  }

  open(dispatcher: Dispatcher, close: (options: { readonly timeout: number }) => void): void {
    this.#server.open(dispatcher)
    this.#link.on('message', this.#onMessage)
    this.#primary.open(dispatcher, close)
  }

  take(duplex: Duplex): void {
    this.#server.take(duplex)
  }

  suspend(): Promise<void> {
    return this.#primary.suspend()
  }

  resume(): Promise<void> {
    return this.#primary.resume()
  }

  change(settings: ListenSettings, connections: ConnectionSettings): void {
    this.#server.change(settings, connections)
  }

  retire(): Promise<void> {
    return this.#server.retire()
  }

  settled(): Promise<void> {
    return this.#server.settled()
  }

  async close(served: Promise<number>): Promise<void> {
    await Promise.all([this.#server.close(served), this.#primary.close(served)])
    this.#link.off('message', this.#onMessage)
  }

  readonly #onMessage = (message: PrimaryMessage) => {
    if (message.bywash === 'suspend' && message.listener === this.#name) void this.#suspend()
    if (message.bywash === 'resume' && message.listener === this.#name) void this.#resume()
  }

  async #suspend(): Promise<void> {
    await this.#server.suspend()
    this.#link.send({ bywash: 'suspended', listener: this.#name }, undefined, undefined, () => {})
  }

  async #resume(): Promise<void> {
    const listener = this.#name
    const error = await this.#server.resume().then(
      () => undefined,
      ({ message }: Error) => message,
    )
    this.#link.send({ bywash: 'resumed', listener, error }, undefined, undefined, () => {})
  }
}
