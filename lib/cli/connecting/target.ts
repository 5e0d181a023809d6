import { isIP } from 'node:net'
import { parseAddress } from '../../address.js'
import { InvalidOptionError } from '../../errors.js'

/** The server that a client connects to. */
export interface Target {
  /** The address as messages show it. */
  readonly name: string
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  /** Whether the address asks for TLS. */
  readonly isTls: boolean
}

/**
 * Reads the address of a server: `host:port`, also behind `tcp://` or `tls://`, a host with the port as a word of its own,
 * or the path of a unix socket.
 *
 * @throws InvalidOptionError for anything else.
 */
export function targetOf(word: string, port: string | undefined): Target {
  const [, scheme, rest = word] = /^([a-z][a-z\d+.-]*):\/\/(.*)$/is.exec(word) ?? []
  const isTls = scheme?.toLowerCase() === 'tls'
  if (scheme !== undefined && !isTls && scheme.toLowerCase() !== 'tcp') {
    throw new InvalidOptionError(`'${scheme}://' is not spoken here. Write tcp:// or tls://, or neither.`)
  }
  const name = port === undefined ? rest : `${isIP(rest) === 6 ? `[${rest}]` : rest}:${port}`
  const isPath = scheme === undefined && port === undefined && rest.includes('/')
  const address = isPath ? { path: rest } : parseAddress(name.replace(/\/$/, ''))
  if (address !== undefined) return { name: word === rest ? name : word, address, isTls }
  throw new InvalidOptionError(
    `'${name}' is no address. Write a host and a port, such as localhost:8080 or [::1]:8080, or the path of a ` +
      'unix socket, such as ./echo.sock.',
  )
}
