import type { Clock } from '../clock.js'
import { Connection, type Endpoints, nextId } from '../connection.js'
import { RefusedError } from '../errors.js'
import { OPEN_FILES } from '../open-files.js'
import { AddressList, plainAddress } from './address/address-list.js'
import type { AddressRange } from './address/address-range.js'

/** Limits of a listener: connections at once, connections from one address, and the addresses that may connect. */
export interface AdmissionRules {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly allow: readonly AddressRange[] | undefined
  readonly deny: readonly AddressRange[] | undefined
}

/** The admitted connections of each address. */
export interface AddressCounts {
  /** Counts one more; returns false, and does not, where there are `limit` already. */
  take: (address: string, limit: number) => boolean
  release: (address: string) => void
}

/** Counts of this process, or of this thread. */
class LocalAddressCounts implements AddressCounts {
  readonly #counts = new Map<string, number>()

  take(address: string, limit: number): boolean {
    const taken = this.#counts.get(address) ?? 0
    if (taken >= limit) return false
    this.#counts.set(address, taken + 1)
    return true
  }

  release(address: string): void {
    const taken = this.#counts.get(address) as number
    if (taken > 1) this.#counts.set(address, taken - 1)
    else this.#counts.delete(address)
  }
}

/** The rules, in the form in which they are checked. */
interface Checks extends Pick<AdmissionRules, 'maxConnections' | 'maxConnectionsPerAddress'> {
  readonly allow: AddressList | undefined
  readonly deny: AddressList | undefined
  readonly needsAddress: boolean
}

function checksOf({ maxConnections, maxConnectionsPerAddress, allow, deny }: AdmissionRules): Checks {
  return {
    maxConnections,
    maxConnectionsPerAddress,
    allow: allow && new AddressList(allow),
    deny: deny && new AddressList(deny),
    needsAddress: maxConnectionsPerAddress !== Infinity || allow !== undefined || deny !== undefined,
  }
}

/** Decides which connections a listener serves, counts them by address, and numbers them. */
export class Admission {
  #checks: Checks
  readonly #counts: AddressCounts
  /** The ids of the connections that are counted by address. */
  readonly #counted = new Set<number>()

  constructor(rules: AdmissionRules, counts: AddressCounts = new LocalAddressCounts()) {
    this.#checks = checksOf(rules)
    this.#counts = counts
  }

  /**
   * Connections that enter from now on are subject to other rules. Those that are open count for them as they did before: none
   * counts for its address where there was no such limit.
   */
  change(rules: AdmissionRules): void {
    this.#checks = checksOf(rules)
  }

  protected get maxConnections(): number {
    return this.#checks.maxConnections
  }

  protected get limitsAddresses(): boolean {
    return this.#checks.maxConnectionsPerAddress !== Infinity
  }

  /**
   * Lets a connection enter, whoever it comes from, or returns why it is refused.
   *
   * @param open - How many are open already.
   * @param hasRoom - Whether there is a descriptor for it.
   */
  enter(open: number, hasRoom = true): RefusedError | undefined {
    const { maxConnections } = this
    if (open >= maxConnections) return tooManyConnections(maxConnections)
    return hasRoom ? undefined : noDescriptor()
  }

  /** Called for a connection that has entered and was not admitted. */
  leave(): void {}

  /** Admits a connection by its address until its `release()`, or returns why it is refused. */
  admit(peer: Endpoints): RefusedError | undefined {
    // Reading the address takes a system call and makes an object.
    const address = this.#checks.needsAddress ? peer.remoteAddress : undefined
    // Connections without an address, as on a unix socket, are not limited by address.
    return address === undefined ? undefined : this.#admitAddress(plainAddress(address))
  }

  #admitAddress(address: string): RefusedError | undefined {
    const { maxConnectionsPerAddress: limit, allow, deny } = this.#checks
    if (deny?.has(address) || allow?.has(address) === false) {
      return new RefusedError(
        `Connections from ${address} are not allowed.`,
        'address not allowed',
        'address',
      )
    }
    if (limit === Infinity) return undefined
    return this.#counts.take(address, limit) ? undefined : tooManyOfAddress(limit, address)
  }

  /** Makes the connection that was admitted last, with its number. */
  connect(ends: Endpoints, clock: Clock): Connection {
    const connection = this.number(ends, clock)
    if (this.limitsAddresses) this.#counted.add(connection.id)
    return connection
  }

  protected number(ends: Endpoints, clock: Clock): Connection {
    return new Connection(nextId(), ends, clock)
  }

  /** Removes a connection that was admitted. */
  release(connection: Connection): void {
    const isCounted = this.#counted.size > 0 && this.#counted.delete(connection.id)
    const address = isCounted ? connection.remoteAddress : undefined
    if (address !== undefined) this.#counts.release(plainAddress(address))
  }
}

export function tooManyConnections(limit: number): RefusedError {
  return new RefusedError(
    `There were ${limit} connections already ('maxConnections').`,
    'too many connections',
    'max-connections',
  )
}

export function noDescriptor(): RefusedError {
  return new RefusedError(
    `The limit of ${OPEN_FILES.limit} open files leaves no descriptor for another connection; raise it (ulimit -n).`,
    'too many connections',
    'open-files',
  )
}

function tooManyOfAddress(limit: number, address: string): RefusedError {
  return new RefusedError(
    `There were ${limit} connections from ${address} already ('maxConnectionsPerAddress').`,
    'too many connections from your address',
    'max-connections-per-address',
  )
}
