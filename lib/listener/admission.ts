import { BlockList, isIPv6 } from 'node:net'
import type { Endpoints } from '../connection.js'
import { RefusedError } from '../errors.js'
import { OPEN_FILES } from '../open-files.js'
import type { AddressRange } from './address/address-range.js'

/** Limits of a listener: connections at once, connections from one address, and the addresses that may connect. */
export interface AdmissionRules {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly allow: readonly AddressRange[] | undefined
  readonly deny: readonly AddressRange[] | undefined
}

const IPV4_MAPPED_PREFIX = '::ffff:'

/**
 * An address without its zone, and as IPv4 if it is IPv4-mapped: on a dual-stack socket `10.1.1.1` appears as
 * `::ffff:10.1.1.1`, which a list with `10.0.0.0/8` would not match.
 */
function plainAddress(address: string): string {
  const [plain = ''] = address.split('%')
  return plain.startsWith(IPV4_MAPPED_PREFIX) && plain.includes('.')
    ? plain.slice(IPV4_MAPPED_PREFIX.length)
    : plain
}

function listOf(ranges: readonly AddressRange[] | undefined): BlockList | undefined {
  if (ranges === undefined) return undefined
  const list = new BlockList()
  for (const { address, prefix, family } of ranges) list.addSubnet(address, prefix, family)
  return list
}

/** Decides which connections a listener serves, and counts them by address. */
export class Admission {
  readonly #rules: AdmissionRules
  readonly #allow: BlockList | undefined
  readonly #deny: BlockList | undefined
  readonly #hasAddressRules: boolean
  /** Admitted connections of each address; empty without `maxConnectionsPerAddress`. */
  readonly #connectionCounts = new Map<string, number>()

  constructor(rules: AdmissionRules) {
    this.#rules = rules
    this.#allow = listOf(rules.allow)
    this.#deny = listOf(rules.deny)
    this.#hasAddressRules =
      rules.maxConnectionsPerAddress !== Infinity || rules.allow !== undefined || rules.deny !== undefined
  }

  /**
   * Admits a connection until its `release()`, or returns why it is refused.
   *
   * @param open - How many are open already.
   * @param hasRoom - Whether there is a descriptor for it.
   */
  admit(peer: Endpoints, open: number, hasRoom = true): RefusedError | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#rules
    if (open >= maxConnections) {
      return new RefusedError(
        `There were ${maxConnections} connections already ('maxConnections').`,
        'too many connections',
      )
    }
    if (!hasRoom) {
      return new RefusedError(
        `The limit of ${OPEN_FILES.limit} open files leaves no descriptor for another connection; raise it (ulimit -n).`,
        'too many connections',
      )
    }
    // To read the address takes a system call and makes an object.
    const address = this.#hasAddressRules ? peer.remoteAddress : undefined
    // Connections without an address, as on a unix socket, are not limited by address.
    return address === undefined
      ? undefined
      : this.#admitAddress(plainAddress(address), maxConnectionsPerAddress)
  }

  #admitAddress(address: string, limit: number): RefusedError | undefined {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (this.#deny?.check(address, family) || this.#allow?.check(address, family) === false) {
      return new RefusedError(`Connections from ${address} are not allowed.`, 'address not allowed')
    }
    if (limit === Infinity) return undefined
    const taken = this.#connectionCounts.get(address) ?? 0
    if (taken >= limit) {
      return new RefusedError(
        `There were ${limit} connections from ${address} already ('maxConnectionsPerAddress').`,
        'too many connections from your address',
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
