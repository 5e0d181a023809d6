import { BlockList, isIPv6 } from 'node:net'
import type { Endpoints } from '../connection.js'
import { RefusedError } from '../errors.js'
import type { AddressRange } from './address/address-range.js'

/** Who is served: how many at once, how many from one address, and from where. */
export interface AdmissionRules {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly allow: readonly AddressRange[] | undefined
  readonly deny: readonly AddressRange[] | undefined
}

const IPV4_MAPPED_PREFIX = '::ffff:'

/**
 * An address without a zone, as IPv4 where it is one: on a dual-stack socket `10.1.1.1` comes as `::ffff:10.1.1.1`,
 * and would slip through a list that has `10.0.0.0/8`.
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

/** Decides which connections a listener takes. */
export class Admission {
  readonly #rules: AdmissionRules
  readonly #allow: BlockList | undefined
  readonly #deny: BlockList | undefined
  readonly #hasAddressRules: boolean
  /** How many connections each address has; empty where that is not limited. */
  readonly #connectionCounts = new Map<string, number>()

  constructor(rules: AdmissionRules) {
    this.#rules = rules
    this.#allow = listOf(rules.allow)
    this.#deny = listOf(rules.deny)
    this.#hasAddressRules =
      rules.maxConnectionsPerAddress !== Infinity || rules.allow !== undefined || rules.deny !== undefined
  }

  /** Why a connection is not taken, when there are `open` already; undefined takes it, and `leave` gives it back. */
  admit(peer: Endpoints, open: number): RefusedError | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#rules
    if (open >= maxConnections) {
      return new RefusedError(
        `There were ${maxConnections} connections already ('maxConnections').`,
        'too many connections',
      )
    }
    // To ask for an address is a system call, and more.
    const address = this.#hasAddressRules ? peer.remoteAddress : undefined
    // A transport without addresses, such as a unix socket, has no limits of addresses either.
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

  /** Takes back what `refusal` allowed. */
  release(peer: Endpoints): void {
    const remoteAddress = this.#connectionCounts.size === 0 ? undefined : peer.remoteAddress
    if (remoteAddress === undefined) return
    const address = plainAddress(remoteAddress)
    const taken = this.#connectionCounts.get(address) ?? 0
    if (taken > 1) this.#connectionCounts.set(address, taken - 1)
    else this.#connectionCounts.delete(address)
  }
}
