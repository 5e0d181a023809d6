import { parseAddress } from '../../address.js'
import { InvalidOptionError } from '../../errors.js'
import { TOKEN_VARIABLE } from '../../status-server/status-options.js'

/** The address in the examples of `--status`. */
export const DEFAULT_STATUS_ADDRESS = '127.0.0.1:9000'

/** The place of a status, as `request()` of node:http and node:https takes it. */
export interface StatusAddress {
  /** The address as messages show it. */
  readonly name: string
  readonly isTls: boolean
  readonly request:
    | { readonly host: string; readonly port: number; readonly path: string }
    | { readonly socketPath: string; readonly path: string }
}

/**
 * Reads the address of a `--status`: `host:port`, `http://…` or `https://…`, or the path of a unix socket.
 *
 * @throws InvalidOptionError for anything else.
 */
export function statusAddress(word: string): StatusAddress {
  if (/^https?:\/\//i.test(word)) return fromUrl(word)
  if (word.includes('/') && !word.includes('://')) {
    return { name: word, isTls: false, request: { socketPath: word, path: '/status' } }
  }
  const address = parseAddress(word)
  if (address === undefined) throw noAddress(word)
  return { name: word, isTls: false, request: { ...address, path: '/status' } }
}

function fromUrl(word: string): StatusAddress {
  if (!URL.canParse(word)) throw noAddress(word)
  const { protocol, hostname, port, pathname } = new URL(word)
  const isTls = protocol === 'https:'
  // The page of a server, or the place where a proxy has put it, leads to its status as well.
  const path = `${pathname.replace(/\/(status)?$/, '')}/status`
  const host = hostname.replace(/^\[|\]$/g, '')
  return { name: word, isTls, request: { host, port: Number(port) || (isTls ? 443 : 80), path } }
}

function noAddress(word: string): InvalidOptionError {
  return new InvalidOptionError(
    `'${word}' is no address of a status. Write that of the server's --status: a host and a port, such as ` +
      '127.0.0.1:9000 or [::1]:9000, http://localhost:9000, or the path of a unix socket, such as ./status.sock.',
  )
}

/**
 * The token of a command that asks a server: that of its flag, or of the environment.
 *
 * @throws InvalidOptionError for one that no server can ask for.
 */
export function tokenFrom(
  { token }: { readonly token?: string | undefined },
  env: NodeJS.ProcessEnv,
): string | undefined {
  const given = token ?? env[TOKEN_VARIABLE]
  if (given === undefined || /^[!-~]+$/.test(given)) return given
  throw new InvalidOptionError('A token has only visible ASCII characters, and no space.')
}
