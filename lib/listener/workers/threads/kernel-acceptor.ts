import type { AddressInfo } from 'node:net'
import { InvalidOptionError } from '../../../errors.js'
import { OPEN_FILES } from '../../../open-files.js'
import type { Acceptor } from '../../acceptor.js'
import type { ListenSettings } from '../../listen-options.js'
import type { ThreadDispatcher } from './thread-dispatcher.js'

/** Acceptor of the primary of threads, which accepts nothing: the kernel gives the connections to the threads. */
export class KernelAcceptor implements Acceptor {
  readonly address: AddressInfo
  readonly worker = undefined
  readonly #dispatcher: ThreadDispatcher
  #isClosed = false

  constructor(address: AddressInfo, dispatcher: ThreadDispatcher, { promised }: ListenSettings) {
    this.address = address
    this.#dispatcher = dispatcher
    this.#promise(promised)
  }

  get refused(): number {
    return this.#dispatcher.refused
  }

  get isListening(): boolean {
    return !this.#isClosed && !this.#dispatcher.isSuspended
  }

  open(): void {}

  take(): never {
    throw new InvalidOptionError(
      'serve(): a listener with workers serves only the connections that it accepts.',
    )
  }

  suspend(): Promise<void> {
    return this.#dispatcher.suspend()
  }

  async resume(): Promise<void> {
    if (!this.#isClosed) await this.#dispatcher.resume()
  }

  change({ promised }: ListenSettings): void {
    this.#promise(promised)
  }

  async retire(): Promise<void> {
    this.#isClosed = true
    OPEN_FILES.withdraw(this)
    await this.#dispatcher.suspend()
  }

  async settled(): Promise<void> {}

  async close(served: Promise<number>): Promise<void> {
    this.#isClosed = true
    OPEN_FILES.withdraw(this)
    await served
  }

  #promise(connections: number): void {
    const warning = OPEN_FILES.promise(this, connections)
    if (warning !== undefined) process.emitWarning(`listen(): ${warning}`)
  }
}
