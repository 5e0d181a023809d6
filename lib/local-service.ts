import type { Socket } from 'node:net'
import type { Connection } from './connection.js'
import type { ConnectionSettings } from './connection-options.js'
import { Drive, type DriveSettings } from './engine/duplex.js'
import { flowOf, load } from './engine/open-flow.js'
import { Sweep } from './engine/sweep.js'
import type { ListenSettings } from './listen-options.js'
import type { Outcome } from './outcome.js'
import { type Pipeline, planOf } from './pipeline.js'
import type { Plan } from './plan.js'
import type { OnDone, Service } from './service.js'

/** Serves connections in this process. */
export class LocalService implements Service {
  #plan: Plan
  readonly #settings: ListenSettings
  readonly #driveSettings: DriveSettings
  readonly #sweep: Sweep<Drive>
  readonly #onDone: OnDone
  #forced = 0
  #closed: Promise<void> | undefined
  #finish: (() => void) | undefined

  constructor(plan: Plan, settings: ListenSettings, connections: ConnectionSettings, onDone: OnDone) {
    this.#plan = plan
    this.#settings = settings
    this.#driveSettings = { ...connections.drive, onDone: this.#over }
    this.#sweep = new Sweep(connections.deadlines, settings.clock)
    this.#onDone = onDone
  }

  get connections(): number {
    return this.#sweep.items.size
  }

  serve(socket: Socket, connection: Connection): void {
    const drive = new Drive(socket, connection, this.#driveSettings)
    this.#sweep.add(drive)
    drive.start(flowOf(this.#plan, drive))
    if (this.#closed !== undefined) drive.leave()
  }

  async replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    const plan = planOf(pipeline, 'replace()', this.#settings.plan)
    await load(plan)
    this.#plan = plan
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.#settings
    this.#closed ??= this.#leave()
    const timer = clock.setTimeout(() => this.#destroyAll(), timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
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
  }

  readonly #over = (outcome: Outcome, connection: Connection, drive: Drive) => {
    this.#sweep.delete(drive)
    this.#onDone(connection, outcome)
    if (this.connections === 0) this.#finish?.()
  }

  blame(asyncId: number, error: unknown): boolean {
    for (const drive of this.#sweep.known) {
      if (!drive.started(asyncId)) continue
      drive.blame(error)
      return true
    }
    return false
  }
}
