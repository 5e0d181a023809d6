import type { Socket } from 'node:net'
import { type Connection, keepAddresses } from '../connection.js'
import type { ConnectionSettings } from '../engine/connection-options.js'
import { Sweep } from '../engine/drive/deadlines.js'
import { Drive, type DriveSettings } from '../engine/drive/driver.js'
import { load } from '../engine/flow/open-flow.js'
import { guarded } from '../engine/guarded.js'
import type { Plan } from '../engine/plan.js'
import { InvalidOptionError } from '../errors.js'
import type { Outcome } from '../outcome.js'
import { type Pipeline, planOf } from '../pipeline.js'
import type { Depart, Service } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import type { HandshakeEvents, Handshakes } from './tls/handshakes.js'
import type { TlsOptions } from './tls/tls-options.js'

/** What a process needs to serve connections. */
export interface LocalSettings {
  readonly plan: Plan
  readonly settings: ListenSettings
  readonly connections: ConnectionSettings
  readonly handshakes: Handshakes | undefined
}

/** Serves connections in this process. */
export class LocalService implements Service {
  #plan: Plan
  readonly #settings: ListenSettings
  readonly #driveSettings: DriveSettings
  readonly #sweep: Sweep<Drive>
  readonly #handshakes: Handshakes | undefined
  readonly #depart: Depart
  #forced = 0
  #closed: Promise<void> | undefined
  #finish: (() => void) | undefined

  constructor({ plan, settings, connections, handshakes }: LocalSettings, depart: Depart) {
    this.#plan = plan
    this.#settings = settings
    this.#driveSettings = { ...connections.drive, onDone: this.#onDone, ownsChunks: true }
    this.#sweep = new Sweep(connections.deadlines, settings.clock)
    this.#handshakes = handshakes
    this.#depart = depart
  }

  get connections(): number {
    return this.#sweep.items.size + (this.#handshakes?.size ?? 0)
  }

  serve(socket: Socket, connection: Connection): void {
    if (this.#settings.tells || this.#plan.asks) keepAddresses(connection)
    guarded(() => this.#settings.onOpen(connection))
    if (this.#handshakes === undefined) this.#drive(socket, connection)
    else this.#handshakes.begin(socket, connection, this.#handshakeEvents)
  }

  async replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    const plan = planOf(pipeline, 'replace()', this.#settings.plan)
    await load(plan)
    this.#plan = plan
  }

  setSecureContext(options: TlsOptions): void {
    if (this.#handshakes === undefined) throw withoutTls()
    this.#handshakes.replace('setSecureContext()', options)
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.#settings
    this.#closed ??= this.#leave()
    const timer = clock.setTimeout(() => this.#destroyAll(), timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
  }

  blame(asyncId: number, error: unknown): boolean {
    for (const drive of this.#sweep.known) {
      if (!drive.started(asyncId)) continue
      drive.blame(error)
      return true
    }
    return false
  }

  readonly #drive = (socket: Socket, connection: Connection) => {
    const drive = new Drive(socket, connection, this.#driveSettings)
    this.#sweep.add(drive)
    drive.start(this.#plan)
    // Its handshake was under way when the listener closed.
    if (this.#closed !== undefined) drive.leave()
  }

  #leave(): Promise<void> {
    for (const drive of this.#sweep.items) drive.leave()
    return new Promise(resolve => {
      this.#finish = resolve
      if (this.connections === 0) resolve()
    })
  }

  #destroyAll(): void {
    for (const drive of this.#sweep.items) if (drive.abort('shutdown')) this.#forced++
    this.#forced += this.#handshakes?.abort() ?? 0
  }

  readonly #onDone = (outcome: Outcome, connection: Connection, drive: Drive) => {
    this.#sweep.delete(drive)
    this.#end(outcome, connection)
  }

  readonly #end = (outcome: Outcome, connection: Connection) => {
    this.#depart(connection, outcome.reason)
    guarded(() => this.#settings.onOutcome(outcome, connection))
    if (this.connections === 0) this.#finish?.()
  }

  readonly #handshakeEvents: HandshakeEvents = { onSecure: this.#drive, onFailed: this.#end }
}

/** What a listener says that has no certificate to replace. */
export function withoutTls(): InvalidOptionError {
  return new InvalidOptionError("setSecureContext(): this listener does not speak TLS; give listen() 'tls'.")
}
