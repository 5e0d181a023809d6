import { parseServerAddress } from '../../address.js'
import { InvalidOptionError } from '../../errors.js'
import { showValue } from '../../options/show-value.js'
import { ServerCounts } from './server-counts.js'

/** The address of a server, in code: `host:port`, the path of a unix socket, or an object with either. */
export type UpstreamAddress =
  | string
  | { readonly host?: string; readonly port: number }
  | { readonly path: string }

/** A server to connect to. */
export interface Server {
  /** The address as messages show it. */
  readonly name: string
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  /** Whether the address asks for TLS. */
  readonly isTls: boolean
  /** The connections to it, for a status. */
  readonly counts: ServerCounts
}

/** Whether a value may be a list of addresses that code gives, and no text. */
export function isAddressList(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/**
 * Reads the addresses of an upstream, in the order in which they are tried. A text may have several, with commas between them.
 *
 * @throws InvalidOptionError for what is no address.
 */
export function serversOf(given: UpstreamAddress | readonly UpstreamAddress[]): readonly Server[] {
  const list: readonly unknown[] =
    typeof given === 'string' ? given.split(',').map(part => part.trim()) : [given].flat()
  if (list.length === 0) throw new InvalidOptionError("upstream(): 'address' is an empty list.")
  return list.map(serverOf)
}

function serverOf(given: unknown): Server {
  const text = typeof given === 'string' ? given : textOf(given as Record<string, unknown> | null)
  const server = text === undefined ? undefined : parseServerAddress(text)
  if (text !== undefined && server !== undefined)
    return { name: text, ...server, counts: new ServerCounts(text) }
  throw new InvalidOptionError(
    `upstream(): 'address' is a host and a port, such as localhost:6379 or [::1]:6379, or the path of a unix socket, ` +
      `such as ./redis.sock; got ${showValue(given)}.`,
  )
}

/** The text for an address that is an object. */
function textOf(given: Record<string, unknown> | null): string | undefined {
  const { host = 'localhost', port, path } = given ?? {}
  if (typeof path === 'string' && path !== '') return path.includes('/') ? path : `./${path}`
  if (typeof host !== 'string' || typeof port !== 'number') return undefined
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
