// IP addresses as text and as bytes: 4 bytes for IPv4, 16 for IPv6. Stricter than `node:net`, which takes a zone too, and
// without loading it.

const DECIMAL_BYTE = /^(?:0|[1-9]\d{0,2})$/
const HEX_GROUP = /^[\da-f]{1,4}$/i

/** The first bytes of an IPv4-mapped IPv6 address, RFC 4291 section 2.5.5.2. */
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

/** The bytes of an address; undefined for text that is none. An IPv4-mapped IPv6 address gives the IPv4 address. */
export function ipBytes(text: string): Buffer | undefined {
  const bytes = text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text)
  return bytes && unmapped(bytes)
}

/** The text of an address: dotted for 4 bytes, and in the canonical form of RFC 5952 for 16. Mapped ones are IPv4. */
export function ipText(bytes: Buffer): string {
  const plain = unmapped(bytes)
  return plain.length === 4 ? plain.join('.') : ipv6Text(plain)
}

/** The IPv4-mapped IPv6 address of an IPv4 address. */
export function mapped(ipv4: Buffer): Buffer {
  return Buffer.concat([MAPPED_PREFIX, ipv4])
}

/** The canonical text of an IPv6 address, without dots for a mapped one. */
export function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index))
  const zeros = longestZeros(groups)
  const hex = groups.map(group => group.toString(16))
  if (zeros.length < 2) return hex.join(':')
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`
}

function unmapped(bytes: Buffer): Buffer {
  return bytes.length === 16 && bytes.subarray(0, 12).equals(MAPPED_PREFIX) ? bytes.subarray(12) : bytes
}

function ipv4Bytes(text: string): Buffer | undefined {
  const parts = text.split('.')
  const isRight = parts.length === 4 && parts.every(part => DECIMAL_BYTE.test(part) && Number(part) <= 255)
  return isRight ? Buffer.from(parts.map(Number)) : undefined
}

function ipv6Bytes(text: string): Buffer | undefined {
  const halves = text.split('::')
  const [head, tail] = halves.map((half, index) => groupBytes(half, index === halves.length - 1))
  if (head === undefined || halves.length > 2) return undefined
  if (halves.length === 1) return head.length === 16 ? head : undefined
  // The double colon stands for one group at least.
  if (tail === undefined || head.length + tail.length > 14) return undefined
  return Buffer.concat([head, Buffer.alloc(16 - head.length - tail.length), tail])
}

/** The bytes of groups between colons, of which the last may be an IPv4 address. */
function groupBytes(text: string, mayEndDotted: boolean): Buffer | undefined {
  if (text === '') return Buffer.alloc(0)
  const groups = text.split(':')
  const dotted = mayEndDotted && text.includes('.') ? ipv4Bytes(groups.pop() as string) : Buffer.alloc(0)
  if (dotted === undefined || !groups.every(group => HEX_GROUP.test(group))) return undefined
  return Buffer.concat([Buffer.from(groups.map(group => group.padStart(4, '0')).join(''), 'hex'), dotted])
}

/** The longest run of groups that are zero, and the first of several. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let longest = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start }
  }
  return longest
}
