import type { AddressInfo } from 'node:net'
import { type Duplex, Stream } from 'node:stream'
import { formatBound } from '../address.js'
import { MAX_TIMEOUT_MS } from '../clock.js'
import { InvalidOptionError } from '../errors.js'
import { checkNames } from '../options/check-option.js'
import { integer } from '../options/option.js'
import { type OptionsOf, settingsFrom } from '../options/option-values.js'
import type { TlsOptions } from '../options/tls-options.js'
import type { Pipeline } from '../pipeline.js'
import { publishListener } from '../status/diagnostics.js'
import type { Status } from '../status/status.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import { type TapOptions, tapSettings } from '../status/taps/tap-options.js'
import type { Acceptor } from './acceptor.js'
import type { Dispatcher } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import type { LocalSettings } from './local-settings.js'
import { type UncaughtOwner, unwatchUncaught, watchUncaught } from './uncaught.js'

/** The options of `close()`, exported, so that an editor shows their help. */
export const CLOSE_OPTIONS = {
  timeout: integer({
    help: 'how long open connections may finish',
    absent: 'the shutdownTimeout of listen()',
    maximum: MAX_TIMEOUT_MS,
    unit: 'ms',
  }),
}

/** Serves with other settings from now on; open connections keep theirs. Those of the listening socket must be the same. */
export let changeListener: (listener: Listener, local: LocalSettings) => Promise<void>

/** Frees the address, and closes the listener when its last connection has ended by itself. Resolves when the address is free. */
export let retireListener: (listener: Listener) => Promise<void>

/** A running server: accepts connections on one address and serves each. `listen()` returns it. */
export class Listener {
  readonly #acceptor: Acceptor
  readonly #dispatcher: Dispatcher
  #settings: ListenSettings
  readonly #signal: AbortSignal | undefined
  readonly #uncaught: UncaughtOwner
  #closed: Promise<void> | undefined
  #isOver = false
  readonly #whenClosed: Promise<{ readonly forced: number }>
  #resolveClosed!: (result: { readonly forced: number }) => void

  constructor(acceptor: Acceptor, dispatcher: Dispatcher, settings: ListenSettings) {
    this.#acceptor = acceptor
    this.#dispatcher = dispatcher
    this.#settings = settings
    this.#signal = settings.signal
    this.#uncaught = {
      uncaught: () => this.#settings.uncaught,
      failConnection: (asyncId, error) => dispatcher.failConnection(asyncId, error),
      close: () => this.close(),
    }
    this.#whenClosed = new Promise(resolve => {
      this.#resolveClosed = resolve
    })
    this.#signal?.addEventListener('abort', this.#onAbort)
    watchUncaught(this.#uncaught)
    acceptor.open(dispatcher, options => void this.close(options))
    // In a worker the acceptor does it, when the primary has said the address.
    if (acceptor.worker === undefined) publishListener('open', this)
    if (settings.signal?.aborted) this.#onAbort()
  }

  /**
   * The bound address, with the actual port if port 0 was asked for. For a unix socket `address` is its path (empty if
   * the socket was inherited), `family` is `unix`, and `port` is 0.
   */
  get address(): AddressInfo {
    return this.#acceptor.address
  }

  /** Number of open connections, including those in their TLS handshake; in a worker, of those that it serves. */
  get connections(): number {
    return this.#dispatcher.connections
  }

  /** Number of connections that were refused so far. */
  get refused(): number {
    return this.#acceptor.refused
  }

  /**
   * With `workers`, the number of this worker, from 1 up. Undefined in the primary and without workers, so code behind
   * `if (listener.worker === undefined)` runs once, however many processes run the script.
   */
  get worker(): number | undefined {
    return this.#acceptor.worker
  }

  /**
   * Resolves when the listener is closed, with what `close()` has resolved with, whoever closed it: the program, its
   * `signal`, or the primary of this worker.
   */
  get closed(): Promise<{ readonly forced: number }> {
    return this.#whenClosed
  }

  /**
   * The work of the listener and its connections: counts since the start and over the last 1, 10 and 60 seconds, what each stage
   * does, and who is slow, as plain data for JSON. The first call begins a look, in which a sample of the turns is timed; it lasts
   * 75 s after the last call, and what it finds is in later answers. With `workers`, in the primary the sum of all.
   *
   * @example
   * await listener.status()
   * await setTimeout(10_000)
   * const { culprit, stages } = await listener.status()
   * console.error(culprit.text) // stage 'lookup' is busy 93 % of the time in which there is something to do
   */
  status(): Promise<Status> {
    const { address, worker, isListening } = this.#acceptor
    return this.#dispatcher.status({
      name: formatBound(address),
      address,
      state: this.#isOver
        ? 'closed'
        : this.#closed !== undefined
          ? 'closing'
          : isListening
            ? 'open'
            : 'suspended',
      worker: worker ?? null,
    })
  }

  /**
   * Tells what connections say, stage by stage: those that are open, at once, and those that open later. It shows what clients send, so
   * decide who may see it. Connections that nobody taps pay nothing. An event with `skipped` says how many of a second were
   * left out. `onEvent` must not throw. With `workers`, in the primary the connections of all.
   *
   * @param options - One of `id`, `address` and `reason`, and how much is shown.
   * @throws InvalidOptionError for a wrong option, and unless exactly one of the three is given.
   * @example
   * const tap = await listener.tap({ address: '10.0.0.7' }, event => console.error(JSON.stringify(event)))
   * await setTimeout(10_000)
   * tap.close()
   */
  async tap(options: TapOptions, onEvent: (event: TapEvent) => void): Promise<Tap> {
    return this.#dispatcher.tap(tapSettings(options), onEvent)
  }

  /**
   * Replaces the pipeline for connections that are accepted from now on; open connections keep theirs.
   *
   * @throws StageOrderError when the pipeline does not go from bytes to bytes.
   * @throws InvalidOptionError in the primary of workers: a pipeline cannot be sent to another process.
   */
  replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    return this.#dispatcher.replace(pipeline)
  }

  /**
   * Replaces the TLS options for handshakes that start from now on, with `workers` in every worker; open connections go
   * on. If it throws, nothing has changed.
   *
   * @throws InvalidOptionError for a wrong option, a certificate that does not belong to the key, or a listener without
   * TLS.
   */
  setSecureContext(options: TlsOptions): void {
    this.#dispatcher.setSecureContext(options)
  }

  /**
   * Serves a connection that comes from elsewhere, such as a socket of another server, or any other Duplex of bytes, as one that
   * was accepted: inside the limits of the listener and its `close()`, with a number of its own, and with TLS behind a handshake.
   * It should be made with `allowHalfOpen: true`, or output that comes after the peer's end is lost.
   *
   * @throws InvalidOptionError for what is no Duplex of bytes, and on a listener with `workers`.
   * @example
   * createServer({ allowHalfOpen: true }, socket => listener.serve(socket)).listen('/run/shout.sock')
   */
  serve(duplex: Duplex): void {
    if (!(duplex instanceof Stream) || duplex.readableObjectMode || duplex.readableEncoding) {
      throw new InvalidOptionError(
        'serve() takes a Duplex of bytes, such as a socket, without object mode and without an encoding.',
      )
    }
    this.#acceptor.take(duplex)
  }

  /**
   * Stops accepting and frees the address until `resume()`; open connections go on. Resolves when the address is free: without
   * threads that accept themselves, this is when `suspend()` returns.
   *
   * @throws BindError for an inherited descriptor, which could not be opened again once it is closed, and in a worker,
   * since its primary accepts.
   */
  suspend(): Promise<void> {
    return this.#acceptor.suspend()
  }

  /**
   * Accepts again after `suspend()`, on the same address and port.
   *
   * @throws BindError when the address cannot be bound again, and in a worker, since its primary accepts.
   */
  resume(): Promise<void> {
    return this.#acceptor.resume()
  }

  /**
   * Stops accepting and lets connections finish: what the client has sent is answered, the rest of an unfinished frame
   * is waited for, and then FIN is sent (the outcome is `shutdown`). Connections that are left after `timeout`
   * milliseconds are destroyed, and `forced` is their number; the default is the `shutdownTimeout` of `listen()`.
   * Resolves when the last connection is closed and the workers have ended. A second call may shorten the timeout. In a
   * worker it closes that worker alone, and another one is started in its place.
   *
   * @throws InvalidOptionError for a wrong timeout.
   */
  async close(options: OptionsOf<typeof CLOSE_OPTIONS> = {}): Promise<{ readonly forced: number }> {
    checkNames('close()', options, ['timeout'])
    const { timeout = this.#settings.shutdownTimeout } = settingsFrom('close()', CLOSE_OPTIONS, options)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    const served = this.#dispatcher.close(timeout)
    this.#closed ??= this.#acceptor.close(served)
    await this.#closed
    unwatchUncaught(this.#uncaught)
    const result = { forced: await served }
    if (!this.#isOver) publishListener('close', this)
    this.#isOver = true
    this.#resolveClosed(result)
    return result
  }

  readonly #onAbort = () => void this.close()

  async #change(local: LocalSettings): Promise<void> {
    this.#settings = local.settings
    this.#acceptor.change(local.settings, local.connections)
    await this.#dispatcher.change(local)
  }

  async #retire(): Promise<void> {
    await this.#acceptor.retire()
    void this.#closeWhenEmpty()
  }

  async #closeWhenEmpty(): Promise<void> {
    await this.#acceptor.settled()
    await this.#dispatcher.empty()
    await this.close()
  }

  static {
    changeListener = (listener, local) => listener.#change(local)
    retireListener = listener => listener.#retire()
  }
}
