import type { AddressInfo } from 'node:net'
import { MAX_TIMEOUT_MS } from '../engine/connection-options.js'
import { checkInteger, checkNames } from '../options/check-option.js'
import type { Pipeline } from '../pipeline.js'
import type { Acceptor } from './acceptor.js'
import type { Dispatcher } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import type { TlsOptions } from './tls/tls-options.js'
import { type UncaughtOwner, unwatchUncaught, watchUncaught } from './uncaught.js'

/** The accepting side of a running server. `listen()` makes it. */
export class Listener {
  readonly #acceptor: Acceptor
  readonly #dispatcher: Dispatcher
  readonly #settings: ListenSettings
  readonly #uncaught: UncaughtOwner
  #closed: Promise<void> | undefined

  constructor(acceptor: Acceptor, dispatcher: Dispatcher, settings: ListenSettings) {
    this.#acceptor = acceptor
    this.#dispatcher = dispatcher
    this.#settings = settings
    this.#uncaught = {
      uncaught: settings.uncaught,
      blame: (asyncId, error) => dispatcher.blame(asyncId, error),
      close: () => this.close(),
    }
    settings.signal?.addEventListener('abort', this.#onAbort)
    watchUncaught(this.#uncaught)
    acceptor.open(dispatcher, options => void this.close(options))
  }

  /**
   * The bound address, with the real port where port 0 was asked for. That of a unix socket is its path (empty where it
   * was inherited), its family is `unix`, and its port 0.
   */
  get address(): AddressInfo {
    return this.#acceptor.address
  }

  /** How many connections are open, with those that are in their TLS handshake; in a worker, those that it serves. */
  get connections(): number {
    return this.#dispatcher.connections
  }

  /** How many connections were refused so far. */
  get refused(): number {
    return this.#acceptor.refused
  }

  /**
   * With `workers`: the number of this worker, from 1 up. Undefined in the primary, and where there are no workers, so
   * a script that greets or prints only where it is undefined does so once.
   */
  get worker(): number | undefined {
    return this.#acceptor.worker
  }

  /**
   * Serves connections that come from now on with another pipeline; those that are open keep theirs.
   *
   * @throws InvalidOptionError in the primary of workers: a pipeline cannot be sent to another process.
   */
  replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    return this.#dispatcher.replace(pipeline)
  }

  /**
   * Handshakes that begin from now on go by these options, with `workers` in each of them; connections that are open go
   * on. Options that are wrong change nothing.
   *
   * @throws InvalidOptionError for an option that is wrong, a certificate that is not one of the key, or a listener
   * that does not speak TLS.
   */
  setSecureContext(options: TlsOptions): void {
    this.#dispatcher.setSecureContext(options)
  }

  /**
   * Stops accepting; connections that are open go on. Until `resume()` the address is free for others.
   *
   * @throws BindError for an inherited descriptor, since once closed it could not be opened again, and in a worker,
   * since its primary accepts.
   */
  suspend(): void {
    this.#acceptor.suspend()
  }

  /**
   * Accepts again, on the same address and port, after `suspend()`.
   *
   * @throws BindError when the address cannot be bound again.
   */
  resume(): Promise<void> {
    return this.#acceptor.resume()
  }

  /**
   * Stops accepting and lets connections finish: what has come is answered, a frame that has begun is waited for, then
   * we send FIN (their outcome is `shutdown`). What is left after `timeout` milliseconds is destroyed, and counted as
   * `forced`. Resolves when the last is closed, and workers have ended. A second call may shorten the time. In a worker
   * it takes only that one out of service, and another is started in its place.
   *
   * @throws InvalidOptionError for a wrong timeout.
   */
  async close(options: { readonly timeout?: number } = {}): Promise<{ readonly forced: number }> {
    const { timeout = this.#settings.shutdownTimeout } = options
    checkNames('close()', options, ['timeout'])
    checkInteger('close()', 'timeout', timeout, 0, MAX_TIMEOUT_MS)
    this.#settings.signal?.removeEventListener('abort', this.#onAbort)
    const served = this.#dispatcher.close(timeout)
    this.#closed ??= this.#acceptor.close(served)
    await this.#closed
    unwatchUncaught(this.#uncaught)
    return { forced: await served }
  }

  readonly #onAbort = () => void this.close()
}
