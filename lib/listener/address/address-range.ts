import { isIP } from 'node:net'

/** The addresses that share their first `prefix` bits with `address`. */
export interface AddressRange {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * Parses an address or a CIDR range (RFC 4632, RFC 4291): `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`. A range of
 * IPv4-mapped addresses, `::ffff:10.0.0.0/104`, becomes the range of the IPv4 addresses. Returns undefined for anything
 * else.
 */
export function parseAddressRange(text: unknown): AddressRange | undefined {
  const [given = '', bits] = typeof text === 'string' ? text.split('/', 2) : []
  const mapped = IPV4_MAPPED.exec(given)?.[1]
  const address = mapped ?? given
  const version = isIP(address)
  const width = version === 6 ? 128 : 32
  const offset = mapped === undefined ? 0 : 96
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) - offset : -1
  if (version === 0 || prefix < 0 || prefix > width || String(text).split('/').length > 2) return undefined
  return { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' }
}
