import type { AddressInfo } from 'node:net'
import { formatAddress } from '../../address.js'
import type { TlsFiles } from '../../config/tls-files.js'
import type { Preset } from '../../presets/index.js'

const LOCAL = ['0.0.0.0', '127.0.0.1', '::', '::1']

/**
 * The shell command that serving prints after `Test:`, with which one can try the listener. Undefined when the
 * listener has an inherited unix socket whose path is not known.
 *
 * @param tcpCommand - Makes the command for a TCP listener without TLS.
 */
export function tryCommand(
  { address, family, port }: AddressInfo,
  tls: TlsFiles | undefined,
  tcpCommand: Preset['trial'],
): string | undefined {
  const client = `openssl s_client -quiet${tls?.ca === undefined ? '' : ' -cert client.pem -key client-key.pem'}`
  if (family !== 'unix') {
    const host = LOCAL.includes(address) ? 'localhost' : address
    return tls === undefined ? tcpCommand(host, port) : `${client} -connect ${formatAddress(host, port)}`
  }
  if (address === '') return undefined
  return tls === undefined ? `socat - UNIX-CONNECT:${quoted(address)}` : `${client} -unix ${quoted(address)}`
}

/** Quotes a path for a POSIX shell, where that is needed. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
