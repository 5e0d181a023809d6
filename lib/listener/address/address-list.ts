import { BlockList, isIPv6 } from 'node:net'
import type { AddressRange } from './address-range.js'

const IPV4_MAPPED_PREFIX = '::ffff:'

/**
 * An address without its zone, and as IPv4 if it is IPv4-mapped: on a dual-stack socket `10.1.1.1` appears as
 * `::ffff:10.1.1.1`, which a list with `10.0.0.0/8` would not match.
 */
export function plainAddress(address: string): string {
  const [plain = ''] = address.split('%')
  return plain.startsWith(IPV4_MAPPED_PREFIX) && plain.includes('.')
    ? plain.slice(IPV4_MAPPED_PREFIX.length)
    : plain
}

/** A list of addresses and ranges, in which addresses are looked up. */
export class AddressList {
  readonly #list = new BlockList()

  constructor(ranges: readonly AddressRange[]) {
    for (const { address, prefix, family } of ranges) this.#list.addSubnet(address, prefix, family)
  }

  has(address: string): boolean {
    const plain = plainAddress(address)
    return this.#list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}
