import type { AddressInfo } from 'node:net'
import { formatAddress } from '../../address.js'
import type { TlsFiles } from '../../config/tls-files.js'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { Preset } from '../../presets/index.js'

const LOCAL = ['0.0.0.0', '127.0.0.1', '::', '::1']

/**
 * The lines that serving prints, with shell commands to try the listener: one with a tool that most machines have, and one
 * with our own client, since not every `nc` ends when its input does. None when the listener has an inherited unix socket
 * whose path is not known.
 *
 * @param tcpCommand - Makes the first command for a TCP listener without TLS. What it pipes into its client, the second
 * one does too.
 */
export function trialLines(
  { address, family, port }: AddressInfo,
  tls: TlsFiles | undefined,
  tcpCommand: Preset['trial'],
): readonly string[] {
  if (family === 'unix' && address === '') return []
  const host = LOCAL.includes(address) ? 'localhost' : address
  // Without a slash it would be no path for a client.
  const path = address.includes('/') ? address : `./${address}`
  const place = family === 'unix' ? quoted(path) : formatAddress(host, port)
  const command =
    tls === undefined ? plainCommand(family, host, port, tcpCommand) : opensslCommand(family, place, tls)
  const first = `Test: ${command}`
  if (command.includes('bywash connect')) return [first]
  const [input = ''] = /^.* \| /.exec(command) ?? []
  return [first, `Or: ${input}npx bywash connect ${place}${tls === undefined ? '' : tlsFlags(tls)}`]
}

/** The line with the page to open, or with the command to try a listener of WebSockets. None for a unix socket. */
export function websocketTrialLines(
  { address, family, port }: AddressInfo,
  hasTls: boolean,
  websocket: NonNullable<ListenOptions['websocket']>,
): readonly string[] {
  if (family === 'unix') return []
  const place = `${formatAddress(LOCAL.includes(address) ? 'localhost' : address, port)}/`
  const hasPage = typeof websocket === 'object' && websocket.page === true
  if (hasPage) return [`Open: ${hasTls ? 'https' : 'http'}://${place}`]
  return [`Test: websocat ${hasTls ? '--insecure wss' : 'ws'}://${place}`]
}

function plainCommand(family: string, host: string, port: number, tcpCommand: Preset['trial']): string {
  return family === 'unix' ? `socat - UNIX-CONNECT:${quoted(host)}` : tcpCommand(host, port)
}

function opensslCommand(family: string, place: string, { ca }: TlsFiles): string {
  const certificate = ca === undefined ? '' : ' -cert client.pem -key client-key.pem'
  return `openssl s_client -quiet${certificate} ${family === 'unix' ? '-unix' : '-connect'} ${place}`
}

/** The certificate is not checked, as openssl does not either: a first one is mostly self-signed. */
function tlsFlags({ ca }: TlsFiles): string {
  return ` --tls-insecure${ca === undefined ? '' : ' --tls-cert client.pem --tls-key client-key.pem'}`
}

/** Quotes a path for a POSIX shell, where that is needed. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
