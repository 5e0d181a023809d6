import type { Socket } from 'node:net'
import type { Connection } from '../connection.js'
import type { ConnectionDriver } from '../engine/drive/driver.js'
import { load } from '../engine/flow/open-flow.js'
import type { Plan } from '../engine/plan.js'
import { InvalidOptionError } from '../errors.js'
import { OPEN_FILES } from '../open-files.js'
import type { TlsOptions } from '../options/tls-options.js'
import { type Pipeline, planOf } from '../pipeline.js'
import { finishAll, giveUpAll, type SideWrites } from '../side-writes.js'
import { Book } from '../status/book.js'
import type { Status } from '../status/status.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import type { TapSettings } from '../status/taps/tap-options.js'
import type { Dispatcher, ListenerFacts, OnGone } from './dispatcher.js'
import { Generation, type GenerationHost } from './generation.js'
import type { LocalSettings } from './local-settings.js'

/**
 * Time that copies which are not written yet get, beyond that of the connections. A disk needs milliseconds, and a FIFO
 * that nobody reads would need for ever.
 */
const SIDE_WRITES_GRACE_MS = 500

/** Dispatcher that serves connections in this process. */
export class LocalDispatcher implements Dispatcher {
  readonly servesAnyDuplex = true
  readonly book: Book
  readonly #host: GenerationHost
  /** The last of them is that of new connections; those before it have open ones. */
  #generations: readonly Generation[] = []
  /** Those of the stages of all pipelines that it has served. */
  readonly #sideWrites = new Set<SideWrites>()
  #forced = 0
  #closed: Promise<void> | undefined
  readonly #emptyCallbacks: (() => void)[] = []

  constructor(local: LocalSettings, onGone: OnGone) {
    const { plan, settings, tally } = local
    this.book = new Book(settings.clock, settings.observe, () => this.#drivers, tally)
    this.#host = { book: this.book, onList: this.#noteSideWrites, onGone, onEnd: this.#onEnd }
    this.#generations = [new Generation(local, this.#host)]
    this.#serveList(plan)
  }

  get connections(): number {
    let sum = 0
    for (const { connections } of this.#generations) sum += connections
    return sum
  }

  get hasRoom(): boolean {
    return OPEN_FILES.hasRoom
  }

  async status({ worker, ...facts }: ListenerFacts): Promise<Status> {
    const { makeStatus } = await import('../status/make-status.js')
    const open = this.connections
    const handshaking = this.#generations.reduce((left, { drivers }) => left - drivers.size, open)
    const limit = this.#current.settings.admission.maxConnections
    return makeStatus(this.book, {
      ...facts,
      worker,
      connections: { open, handshaking, limit },
      workers: [],
    })
  }

  async tap(settings: TapSettings, onEvent: (event: TapEvent) => void): Promise<Tap> {
    // Loaded by the first tap: most programs have none.
    const { attachTap } = await import('../status/taps/taps.js')
    return attachTap(this.book, settings, onEvent)
  }

  serve(socket: Socket, connection: Connection, head?: Buffer): void {
    this.#current.serve(socket, connection, head)
  }

  async replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    const plan = planOf(pipeline, 'replace()', this.#current.settings.plan)
    await load(plan)
    this.#current.replace(plan)
    this.#serveList(plan)
  }

  async change(local: LocalSettings): Promise<void> {
    this.#generations = [...this.#generations, new Generation(local, this.#host)]
    this.#forgetEmpty()
    this.book.change(local.settings.observe)
    this.#serveList(local.plan)
  }

  setSecureContext(options: TlsOptions): void {
    const { handshakes } = this.#current
    if (handshakes === undefined) throw withoutTls()
    handshakes.replace('setSecureContext()', options)
  }

  async empty(): Promise<void> {
    if (this.connections > 0) await new Promise<void>(resolve => this.#emptyCallbacks.push(resolve))
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.book
    this.#closed ??= this.#drain()
    let timer = clock.setTimeout(() => {
      for (const generation of this.#generations) this.#forced += generation.destroyAll()
      timer = clock.setTimeout(() => giveUpAll(this.#sideWrites), SIDE_WRITES_GRACE_MS)
    }, timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
  }

  failConnection(asyncId: number, error: unknown): boolean {
    return this.#generations.some(generation => generation.failConnection(asyncId, error))
  }

  get #current(): Generation {
    return this.#generations.at(-1) as Generation
  }

  get #drivers(): readonly ConnectionDriver[] {
    return this.#generations.flatMap(({ drivers }) => [...drivers])
  }

  #serveList(plan: Plan): void {
    this.book.serve(plan.listed)
    this.#noteSideWrites(plan)
  }

  readonly #noteSideWrites = ({ sideWrites }: Plan) => {
    for (const each of sideWrites) this.#sideWrites.add(each)
  }

  async #drain(): Promise<void> {
    for (const generation of this.#generations) generation.drain()
    await this.empty()
    await finishAll(this.#sideWrites)
    this.book.close()
  }

  #forgetEmpty(): void {
    const current = this.#current
    this.#generations = this.#generations.filter(each => each === current || each.connections > 0)
  }

  readonly #onEnd = () => {
    if (this.#generations.length > 1) this.#forgetEmpty()
    if (this.#emptyCallbacks.length === 0 || this.connections > 0) return
    for (const callback of this.#emptyCallbacks.splice(0)) callback()
  }
}

/** The error of setSecureContext() on a listener without TLS. */
export function withoutTls(): InvalidOptionError {
  return new InvalidOptionError("setSecureContext(): this listener does not speak TLS; give listen() 'tls'.")
}
