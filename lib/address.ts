import type { AddressInfo, Server } from 'node:net'

/** The text for a TCP address: `127.0.0.1:8080`, `[::1]:8080`. */
export function formatAddress(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return 'an unknown address'
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Parses such a text; undefined when it is no TCP address. Without a host (`:8080`) the host is `localhost`. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const { v6, name, digits } =
    /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^\s:[\]]*)):(?<digits>\d{1,5})$/.exec(text)?.groups ?? {}
  const port = Number(digits)
  return port >= 1 && port <= 65_535 ? { host: v6 || name || 'localhost', port } : undefined
}

/** The address of a server to connect to. */
export interface ServerAddress {
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  /** Whether the address asks for TLS. */
  readonly isTls: boolean
}

/**
 * Parses the address of a server: `host:port`, also behind `tcp://` or `tls://`, or the path of a unix socket, which has a
 * slash; undefined for anything else.
 */
export function parseServerAddress(text: string): ServerAddress | undefined {
  const [, scheme, rest = text] = /^(tcp|tls):\/\/(.*)$/is.exec(text) ?? []
  const isTls = scheme?.toLowerCase() === 'tls'
  if (scheme === undefined && rest.includes('/') && !rest.includes('://')) {
    return { address: { path: rest }, isTls }
  }
  const address = parseAddress(rest.replace(/\/$/, ''))
  return address && { address, isTls }
}

const UNIX_FAMILY = 'unix'

/**
 * The address that a server is bound to. A unix socket has the same shape: its path as `address`, family `unix`, port 0.
 */
export function boundAddress(server: Server): AddressInfo {
  const bound = server.address() as AddressInfo | string | null | undefined
  // Node gives the path of a unix socket as a string, and null for an inherited one.
  return typeof bound === 'object' && bound !== null
    ? bound
    : { address: bound ?? '', family: UNIX_FAMILY, port: 0 }
}

/** The text for a listener's address: host and port, or the path of a unix socket. */
export function formatBound({ address, family, port }: AddressInfo): string {
  return family === UNIX_FAMILY ? address || 'an inherited unix socket' : formatAddress(address, port)
}
