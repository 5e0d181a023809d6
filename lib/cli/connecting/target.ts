import { isIP } from 'node:net'
import { parseServerAddress, type ServerAddress } from '../../address.js'
import { InvalidOptionError } from '../../errors.js'

/** The server that a client connects to. */
export interface Target extends ServerAddress {
  /** The address as messages show it. */
  readonly name: string
}

/**
 * Reads the address of a server: `host:port`, also behind `tcp://` or `tls://`, a host with the port as a word of its own,
 * or the path of a unix socket.
 *
 * @throws InvalidOptionError for anything else.
 */
export function targetOf(word: string, port: string | undefined): Target {
  const [, scheme, rest = word] = /^([a-z][a-z\d+.-]*:\/\/)(.*)$/is.exec(word) ?? []
  if (scheme !== undefined && !/^(tcp|tls):/i.test(scheme)) {
    throw new InvalidOptionError(`'${scheme}' is not spoken here. Write tcp:// or tls://, or neither.`)
  }
  const name = port === undefined ? rest : `${isIP(rest) === 6 ? `[${rest}]` : rest}:${port}`
  const server = parseServerAddress((scheme ?? '') + name)
  // A host with a port as a word of its own is no path.
  const isRead = server !== undefined && (port === undefined || 'host' in server.address)
  if (isRead) return { name: scheme === undefined ? name : word, ...server }
  throw new InvalidOptionError(
    `'${name}' is no address. Write a host and a port, such as localhost:8080 or [::1]:8080, or the path of a ` +
      'unix socket, such as ./echo.sock.',
  )
}
