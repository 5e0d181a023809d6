// The header of the PROXY protocol, versions 1 and 2, by HAProxy's specification (proxy-protocol.txt): a proxy sends it
// before the first byte of a connection, and says with it whose connection it passes on.
import { ipBytes, ipText, ipv6Text, mapped } from './ip-address.js'

/** One end of a connection. */
export interface ProxyEndpoint {
  readonly address: string
  readonly port: number
}

/** A complete header. */
export interface ProxyHeader {
  /** Bytes that it takes; those behind it belong to the connection. */
  readonly length: number
  /** The ends of the connection that the proxy has accepted; undefined where they are those of the connection itself. */
  readonly ends: { readonly source: ProxyEndpoint; readonly destination: ProxyEndpoint } | undefined
}

/** The reason why bytes begin no header, as a part of a sentence: `the PROXY header …`. */
export interface ProxyHeaderFault {
  readonly fault: string
}

/** The ends that a header is made of. One that is missing, or is no IP address, makes a header without addresses. */
export interface ProxyHeaderEnds {
  readonly source?: { readonly address?: string | undefined; readonly port?: number | undefined } | undefined
  readonly destination?: ProxyHeaderEnds['source']
}

/** The longest line of version 1, its CRLF included: the specification says so. */
const MAX_LINE_BYTES = 107
/** The longest header of version 2 that is taken. The specification allows 65,551 bytes, and senders need some hundred. */
export const MAX_PROXY_HEADER_BYTES = 4_096

const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
/** The signature, version and command, family and transport, and the length of the rest. */
const FIXED_BYTES = 16
const VERSION = 2
const LOCAL = 0
const PROXY = 1
const UNSPEC = 0
const INET = 1
const INET6 = 2
const UNIX = 3
const STREAM = 1
const DGRAM = 2
/** The bytes of both addresses and ports of each family. */
const ADDRESS_BYTES = [0, 12, 36, 216]
const TLV_START_BYTES = 3
const TLV_CRC32C = 3
/** The polynomial of CRC32c (RFC 4960, appendix B), with its bits reversed. */
const CRC32C_POLYNOMIAL = 0x82f63b78

/**
 * Parses the header at the beginning of a connection, of either version. Returns undefined while bytes are missing that
 * could complete it, and a fault as soon as none can.
 *
 * @param bytes - All that the connection has brought so far.
 * @example
 * parseProxyHeader(Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\nGET /'))
 * // { length: 39, ends: { source: { address: '192.0.2.1', port: 4711 }, destination: … } }
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | ProxyHeaderFault | undefined {
  if (beginsAlike(bytes, LINE_START)) return parseLine(bytes)
  if (beginsAlike(bytes, SIGNATURE)) return parseBinary(bytes)
  return { fault: 'is missing' }
}

/**
 * Makes the header for a connection that is passed on. Where the ends are of different families, the IPv4 address is
 * written as an IPv4-mapped IPv6 address; a zone (`%eth0`) is left out.
 *
 * @param version - 1 is a line of text, 2 is binary.
 * @example
 * const { remoteAddress, remotePort, localAddress, localPort } = connection
 * encodeProxyHeader(2, {
 *   source: { address: remoteAddress, port: remotePort },
 *   destination: { address: localAddress, port: localPort },
 * })
 */
export function encodeProxyHeader(version: 1 | 2, { source, destination }: ProxyHeaderEnds): Buffer {
  const pair = [source, destination].map(end => ipBytes(end?.address?.split('%')[0] ?? ''))
  const ports = [source?.port ?? 0, destination?.port ?? 0]
  if (pair.includes(undefined)) return version === 1 ? Buffer.from('PROXY UNKNOWN\r\n') : binary(UNSPEC, [])
  const addresses = pair as Buffer[]
  const isIpv4 = addresses.every(address => address.length === 4)
  const sameFamily = isIpv4
    ? addresses
    : addresses.map(address => (address.length === 4 ? mapped(address) : address))
  if (version === 2) return binary(isIpv4 ? INET : INET6, [...sameFamily, ...ports.map(portBytes)])
  const texts = sameFamily.map(isIpv4 ? ipText : ipv6Text)
  return Buffer.from(`PROXY ${isIpv4 ? 'TCP4' : 'TCP6'} ${[...texts, ...ports].join(' ')}\r\n`)
}

function beginsAlike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function parseLine(bytes: Buffer): ProxyHeader | ProxyHeaderFault | undefined {
  const line = bytes.toString('latin1', 0, MAX_LINE_BYTES)
  const end = line.indexOf('\r\n')
  if (end === -1) {
    return bytes.length < MAX_LINE_BYTES
      ? undefined
      : { fault: `is a line without CRLF in its first ${MAX_LINE_BYTES} bytes` }
  }
  const length = end + 2
  const [, family, ...fields] = line.slice(0, end).split(' ')
  // What follows UNKNOWN has to be ignored.
  if (family === 'UNKNOWN') return { length, ends: undefined }
  if (family !== 'TCP4' && family !== 'TCP6') return { fault: 'names neither TCP4, TCP6 nor UNKNOWN' }
  const [from = '', to = '', fromPort = '', toPort = ''] = fields
  const source = endOf(family, from, fromPort)
  const destination = endOf(family, to, toPort)
  return fields.length === 4 && source && destination
    ? { length, ends: { source, destination } }
    : { fault: `does not have two ${family} addresses and two ports` }
}

function endOf(family: 'TCP4' | 'TCP6', text: string, portText: string): ProxyEndpoint | undefined {
  const address = (family === 'TCP6') === text.includes(':') ? ipBytes(text) : undefined
  const port = /^(?:0|[1-9]\d{0,4})$/.test(portText) ? Number(portText) : Infinity
  return address && port <= 65_535 ? { address: ipText(address), port } : undefined
}

function parseBinary(bytes: Buffer): ProxyHeader | ProxyHeaderFault | undefined {
  const [versionAndCommand = VERSION << 4, familyAndTransport = UNSPEC] = bytes.subarray(SIGNATURE.length)
  const command = versionAndCommand & 0xf
  if (versionAndCommand >> 4 !== VERSION) return { fault: 'has an unknown version' }
  if (command > PROXY) return { fault: 'has an unknown command' }
  const family = familyAndTransport >> 4
  const transport = familyAndTransport & 0xf
  // The family of LOCAL has to be ignored.
  if (command === PROXY && (family > UNIX || transport > DGRAM)) {
    return { fault: 'has an unknown address family or transport' }
  }
  if (bytes.length < FIXED_BYTES) return undefined
  const length = FIXED_BYTES + bytes.readUInt16BE(FIXED_BYTES - 2)
  if (length > MAX_PROXY_HEADER_BYTES) return { fault: `is longer than ${MAX_PROXY_HEADER_BYTES} bytes` }
  const isUnspecified = command === LOCAL || family === UNSPEC || transport === UNSPEC
  const end = isUnspecified ? FIXED_BYTES : FIXED_BYTES + (ADDRESS_BYTES[family] as number)
  if (length < end) return { fault: 'is too short for its addresses' }
  if (bytes.length < length) return undefined
  // A block whose family is not known is skipped as a whole, and with it what looks like TLVs.
  if (isUnspecified) return { length, ends: undefined }
  const fault = tlvFault(bytes.subarray(0, length), end)
  if (fault !== undefined) return { fault }
  // A client on a unix socket of the proxy has no address that means anything here.
  return { length, ends: family === UNIX ? undefined : binaryEnds(bytes.subarray(FIXED_BYTES, end)) }
}

function binaryEnds(block: Buffer): NonNullable<ProxyHeader['ends']> {
  const size = block.length / 2 - 2
  const end = (index: number) => ({
    address: ipText(block.subarray(index * size, (index + 1) * size)),
    port: block.readUInt16BE(2 * (size + index)),
  })
  return { source: end(0), destination: end(1) }
}

/** The fault of the type-length-value vectors behind the addresses; undefined for none. All but the checksum are skipped. */
function tlvFault(header: Buffer, start: number): string | undefined {
  let checked = false
  let at = start
  while (at < header.length) {
    const value = at + TLV_START_BYTES
    const next = value > header.length ? Infinity : value + header.readUInt16BE(at + 1)
    if (next > header.length) return 'has a TLV that is cut off'
    if (header[at] === TLV_CRC32C) {
      if (checked || next - value !== 4 || header.readUInt32BE(value) !== checksum(header, value)) {
        return 'does not have the checksum that it says'
      }
      checked = true
    }
    at = next
  }
  return undefined
}

/** CRC32c of a header, whose own checksum at `at` counts as zeros. */
function checksum(header: Buffer, at: number): number {
  let crc = 0xffffffff
  for (const [index, byte] of header.entries()) {
    crc ^= index >= at && index < at + 4 ? 0 : byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1
  }
  return ~crc >>> 0
}

function binary(family: number, block: readonly Buffer[]): Buffer {
  const length = block.reduce((sum, part) => sum + part.length, 0)
  const transport = family === UNSPEC ? UNSPEC : STREAM
  const fixed = Buffer.from([(VERSION << 4) | PROXY, (family << 4) | transport, length >> 8, length & 0xff])
  return Buffer.concat([SIGNATURE, fixed, ...block])
}

function portBytes(port: number): Buffer {
  return Buffer.from([port >> 8, port & 0xff])
}
