import type { Endpoints } from '../connection.js'
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

/** Decides which connections a listener serves, and counts them by address. */
export class Admission {
  readonly #rules: AdmissionRules
  readonly #allow: AddressList | undefined
  readonly #deny: AddressList | undefined
  readonly #hasAddressRules: boolean
  /** Admitted connections of each address; empty without `maxConnectionsPerAddress`. */
  readonly #connectionCounts = new Map<string, number>()

  constructor(rules: AdmissionRules) {
    this.#rules = rules
    this.#allow = rules.allow && new AddressList(rules.allow)
    this.#deny = rules.deny && new AddressList(rules.deny)
    this.#hasAddressRules =
      rules.maxConnectionsPerAddress !== Infinity || rules.allow !== undefined || rules.deny !== undefined
  }

  /**
   * Returns why one more connection is refused, whoever it comes from.
   *
   * @param open - How many are open already.
   * @param hasRoom - Whether there is a descriptor for it.
   */
  full(open: number, hasRoom = true): RefusedError | undefined {
    const { maxConnections } = this.#rules
    if (open >= maxConnections) {
      return new RefusedError(
        `There were ${maxConnections} connections already ('maxConnections').`,
        'too many connections',
        'max-connections',
      )
    }
    if (!hasRoom) {
      return new RefusedError(
        `The limit of ${OPEN_FILES.limit} open files leaves no descriptor for another connection; raise it (ulimit -n).`,
        'too many connections',
        'open-files',
      )
    }
    return undefined
  }

  /** Admits a connection by its address until its `release()`, or returns why it is refused. */
  admit(peer: Endpoints): RefusedError | undefined {
    // To read the address takes a system call and makes an object.
    const address = this.#hasAddressRules ? peer.remoteAddress : undefined
    // Connections without an address, as on a unix socket, are not limited by address.
    return address === undefined ? undefined : this.#admitAddress(plainAddress(address))
  }

  #admitAddress(address: string): RefusedError | undefined {
    const limit = this.#rules.maxConnectionsPerAddress
    if (this.#deny?.has(address) || this.#allow?.has(address) === false) {
      return new RefusedError(
        `Connections from ${address} are not allowed.`,
        'address not allowed',
        'address',
      )
    }
    if (limit === Infinity) return undefined
    const taken = this.#connectionCounts.get(address) ?? 0
    if (taken >= limit) {
      return new RefusedError(
        `There were ${limit} connections from ${address} already ('maxConnectionsPerAddress').`,
        'too many connections from your address',
        'max-connections-per-address',
      )
    }
    this.#connectionCounts.set(address, taken + 1)
    return undefined
  }

  /** Removes a connection that `admit()` has counted. */
  release(peer: Endpoints): void {
    const remoteAddress = this.#connectionCounts.size === 0 ? undefined : peer.remoteAddress
    if (remoteAddress === undefined) return
    const address = plainAddress(remoteAddress)
    const taken = this.#connectionCounts.get(address) ?? 0
    if (taken > 1) this.#connectionCounts.set(address, taken - 1)
    else this.#connectionCounts.delete(address)
  }
}
