import type { AddressInfo, Server } from 'node:net'

/** Writes an address as people and tools do: `127.0.0.1:8080`, `[::1]:8080`. */
export function formatAddress(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return 'an unknown address'
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Reads such an address; undefined for what is none. Without a host (`:8080`) it is `localhost`. */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const { v6, name, digits } =
    /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^\s:[\]]*)):(?<digits>\d{1,5})$/.exec(text)?.groups ?? {}
  const port = Number(digits)
  return port >= 1 && port <= 65_535 ? { host: v6 || name || 'localhost', port } : undefined
}

const UNIX_FAMILY = 'unix'

/** Where a server listens, in the shape of a TCP address also when it has none. */
export function boundAddress(server: Server): AddressInfo {
  const bound = server.address() as AddressInfo | string | null | undefined
  // Of an inherited unix socket Node does not know the path.
  return typeof bound === 'object' && bound !== null
    ? bound
    : { address: bound ?? '', family: UNIX_FAMILY, port: 0 }
}

/** Writes where a listener listens. */
export function formatBound({ address, family, port }: AddressInfo): string {
  return family === UNIX_FAMILY ? address || 'an inherited unix socket' : formatAddress(address, port)
}
