import type { Clock } from '../../../clock.js'
import { Connection, type Endpoints, shareCount } from '../../../connection.js'
import type { RefusedError } from '../../../errors.js'
import { OPEN_FILES } from '../../../open-files.js'
import { Admission, type AdmissionRules, noDescriptor, tooManyConnections } from '../../admission.js'
import type { ConnectionTable } from './connection-table.js'
import { SharedAddressCounts } from './shared-address-counts.js'
import type { SharedListener } from './shared-listener.js'

interface SharedAdmissionSettings {
  readonly rules: AdmissionRules
  readonly shared: SharedListener
  readonly table: ConnectionTable
  /** Stands for this thread in locks. */
  readonly owner: number
  /** Whether the primary tells somebody of the connections of a thread that has died. */
  readonly tells: boolean
}

/** Admission of a thread: limits and numbers are those of all threads of the listener. */
export class SharedAdmission extends Admission {
  readonly #shared: SharedListener
  readonly #table: ConnectionTable
  readonly #tells: boolean
  /** The place in the table of each connection that has one, by its id. */
  readonly #places = new Map<number, number>()

  constructor({ rules, shared, table, owner, tells }: SharedAdmissionSettings) {
    super(rules, new SharedAddressCounts(shared.memory.addresses, owner))
    this.#shared = shared
    this.#table = table
    this.#tells = tells
  }

  override enter(_open: number, hasRoom = true): RefusedError | undefined {
    // The threads share the descriptors of the process.
    const limit = hasRoom ? OPEN_FILES.capacity : 0
    const { maxConnections } = this
    if (this.#shared.enter(Math.min(maxConnections, limit), this.#table)) return undefined
    return limit < maxConnections ? noDescriptor() : tooManyConnections(maxConnections)
  }

  override leave(): void {
    this.#shared.leave(this.#table)
  }

  protected override number(ends: Endpoints, clock: Clock): Connection {
    const { remoteAddress, remotePort } = this.#tells || this.limitsAddresses ? ends : {}
    const place = this.#table.take(this.#shared.ids, { openedAt: Date.now(), remoteAddress, remotePort })
    const id = place === -1 ? this.#shared.nextId() : this.#table.idAt(place)
    if (place !== -1) this.#places.set(id, place)
    const connection = new Connection(id, ends, clock)
    const askTotal = (answer: (total: number) => void) => answer(this.#shared.total)
    shareCount(connection, { number: this.#shared.nextNumber(), askTotal })
    return connection
  }

  override release(connection: Connection): void {
    super.release(connection)
    const place = this.#places.get(connection.id)
    this.#places.delete(connection.id)
    if (place !== undefined) this.#table.clear(place)
    this.leave()
  }
}
