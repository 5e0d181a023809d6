import { createSecureContext, type TlsOptions as NodeTlsOptions } from 'node:tls'
import { checkChoice, checkInteger, checkNames } from './check-option.js'
import { LONGEST_TIMEOUT } from './connection-options.js'
import { InvalidOptionError } from './errors.js'

/** The TLS versions that may be the oldest one. */
export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

/** PEM, as text or bytes; several where Node takes several. */
type Pem = string | Buffer | (string | Buffer)[]

/** What TLS needs; the names are those of `tls.createServer()`. */
export interface TlsOptions {
  /** The certificate, with its chain, in PEM. */
  readonly cert: Pem
  /** The private key of the certificate, in PEM. */
  readonly key: Pem
  /** What the private key is encrypted with. @default not encrypted */
  readonly passphrase?: string
  /**
   * Certificates of authorities, in PEM. With it a client must show a certificate that one of them has signed (mutual
   * TLS); without it none is asked for. @default none
   */
  readonly ca?: Pem
  /** Revocation lists, in PEM: a client certificate that is on one is refused. @default none */
  readonly crl?: Pem
  /** The oldest version of TLS that is spoken. @default 'TLSv1.2' */
  readonly minVersion?: (typeof TLS_VERSIONS)[number]
  /** How long the handshake may take, from the accept on, in milliseconds. @default 5000 */
  readonly handshakeTimeout?: number
}

/** The options of `tls`, checked, with their defaults filled in. */
export type TlsSettings = TlsOptions & Required<Pick<TlsOptions, 'minVersion' | 'handshakeTimeout'>>

const NAMES = ['cert', 'key', 'passphrase', 'ca', 'crl', 'minVersion', 'handshakeTimeout']

/** Checks the options, and with them the certificate and its key. */
export function tlsSettings(owner: string, options: TlsOptions): TlsSettings {
  const { minVersion = 'TLSv1.2', handshakeTimeout = 5_000 } = options
  checkNames(owner, options, NAMES)
  checkChoice(owner, 'minVersion', minVersion, TLS_VERSIONS)
  checkInteger(owner, 'handshakeTimeout', handshakeTimeout, 1, LONGEST_TIMEOUT)
  for (const name of ['cert', 'key'] as const) {
    if (options[name] === undefined) {
      throw new InvalidOptionError(`${owner}: '${name}' is missing; TLS needs a certificate and its key.`)
    }
  }
  const settings = { ...options, minVersion, handshakeTimeout }
  try {
    createSecureContext(nodeTlsOptions(settings))
  } catch (error) {
    throw new InvalidOptionError(
      `${owner}: the certificate and key cannot be used: ${(error as Error).message}.`,
    )
  }
  return settings
}

/** The same as Node takes it, which keeps no time here. */
export function nodeTlsOptions({ handshakeTimeout, ...settings }: TlsSettings): NodeTlsOptions {
  return {
    ...settings,
    requestCert: settings.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: 0,
  }
}
