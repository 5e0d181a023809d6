import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, isIP, type Socket } from 'node:net'
import { resolve } from 'node:path'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { formatDuration } from '../../options/format-duration.js'
import { CommandFailure } from '../command-failure.js'
import type { Io } from '../io.js'
import { systemErrorText } from '../system-error-text.js'
import type { Target } from './target.js'

/** The values of the flags of TLS. Each of them asks for TLS. */
export interface ClientTls {
  readonly tls?: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsServerName?: string
  readonly tlsInsecure?: boolean
}

/** How a connection is opened. */
export interface OpenOptions {
  /** The options of TLS; undefined without TLS. */
  readonly tls: ConnectionOptions | undefined
  /** After how many milliseconds without a byte the connection is given up. @default never */
  readonly timeout: number | undefined
}

/** Reads the flags of TLS; undefined where neither they nor the address ask for it. */
export function tlsOptions(target: Target, flags: ClientTls, io: Io): ConnectionOptions | undefined {
  const { tls, tlsCa, tlsCert, tlsKey, tlsServerName, tlsInsecure } = flags
  const isAsked = target.isTls || tls || tlsInsecure
  if (!isAsked && (tlsCa ?? tlsCert ?? tlsKey ?? tlsServerName) === undefined) return undefined
  const host = 'host' in target.address ? target.address.host : 'localhost'
  // SNI takes no IP address, and Node then checks the certificate against the address.
  const servername = tlsServerName ?? (isIP(host) === 0 ? host : undefined)
  const files = Object.entries({ ca: tlsCa, cert: tlsCert, key: tlsKey })
  const pems = files.flatMap(([name, path]) => (path === undefined ? [] : [[name, pemIn(path, io)]]))
  return {
    ...Object.fromEntries(pems),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: tlsInsecure !== true,
  }
}

function pemIn(path: string, io: Io): Buffer {
  try {
    return readFileSync(resolve(io.cwd(), path))
  } catch (error) {
    throw new CommandFailure(`cannot read ${path}: ${systemErrorText(error as NodeJS.ErrnoException)}`)
  }
}

/** Connects, with TLS where it is asked for. The error says why that fails, and what to change. */
export async function openConnection(target: Target, { tls, timeout }: OpenOptions): Promise<Socket> {
  const socket = await dial(target, tls)
  if (timeout !== undefined) {
    const limit = formatDuration(timeout)
    socket.setTimeout(timeout, () => void socket.destroy(new Error(`nothing came or went for ${limit}`)))
  }
  try {
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    return socket
  } catch (error) {
    throw new CommandFailure(
      `cannot connect to ${target.name}: ${failureText(error as NodeJS.ErrnoException, socket)}`,
    )
  }
}

async function dial({ address }: Target, tls: ConnectionOptions | undefined): Promise<Socket> {
  const options = { ...address, allowHalfOpen: true }
  if (tls === undefined) return connect(options)
  const { connect: connectTls } = await import('node:tls')
  try {
    return connectTls({ ...options, ...tls })
  } catch (error) {
    throw new CommandFailure(
      `the certificate and key cannot be used: ${tlsText(error as NodeJS.ErrnoException)}`,
    )
  }
}

/** Explanations of common errors, by code; the system's own text serves for all others. */
const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up now',
  ETIMEDOUT: 'no answer',
}

/** The code is the last resort: when a host name has several addresses, Node's error has no message. */
function failureText(error: NodeJS.ErrnoException, socket: Socket): string {
  const { code = '' } = error
  if ((socket as Partial<TLSSocket>).authorizationError) {
    return (
      `its certificate is not accepted: ${tlsText(error)}. Name its authority with --tls-ca or the server with ` +
      '--tls-server-name, or skip the check with --tls-insecure'
    )
  }
  // An alert is sent by a server that speaks TLS.
  if (code.startsWith('ERR_SSL') && !tlsText(error).includes('alert')) {
    return `it does not seem to speak TLS (${tlsText(error)}); leave --tls out`
  }
  return ERROR_TEXTS[code] ?? (tlsText(error) || code)
}

/** OpenSSL has a reason of its own in front of its long message. */
function tlsText(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  return error.reason ?? systemErrorText(error).replace(/[\s:.]+$/, '')
}
