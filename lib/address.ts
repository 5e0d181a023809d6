/** Writes an address as people and tools do: `127.0.0.1:8080`, `[::1]:8080`. */
export function formatAddress(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return 'an unknown address'
  return `${address.includes(':') ? `[${address}]` : address}:${port}`
}
