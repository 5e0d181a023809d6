import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type TlsOptions as NodeTlsOptions } from 'node:tls'
import { LONGEST_TIMEOUT } from '../../engine/connection-options.js'
import { InvalidOptionError } from '../../errors.js'
import { checkNames } from '../../options/check-option.js'
import { settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { HANDSHAKE_OPTIONS } from './handshake-options.js'

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
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** How long the handshake may take, from the accept on, in milliseconds. @default 5000 */
  readonly handshakeTimeout?: number
}

/** The options of `tls`, checked, with their defaults filled in. */
export type TlsSettings = TlsOptions & Required<Pick<TlsOptions, 'minVersion' | 'handshakeTimeout'>>

const NAMES = ['cert', 'key', 'passphrase', 'ca', 'crl', ...Object.keys(HANDSHAKE_OPTIONS)]

/** Checks the options, and with them the certificate and its key. */
export function tlsSettings(owner: string, options: TlsOptions): TlsSettings {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError(`${owner} is an object with 'cert' and 'key'; got ${showValue(options)}.`)
  }
  const { cert, key, passphrase, ca } = options
  checkNames(owner, options, NAMES)
  const settings = { ...options, ...settingsFrom(owner, HANDSHAKE_OPTIONS, options) }
  for (const [name, value] of Object.entries({ cert, key })) {
    if (value === undefined) {
      throw new InvalidOptionError(`${owner}: '${name}' is missing; TLS needs a certificate and its key.`)
    }
  }
  check(`${owner}: 'cert' is no certificate in PEM`, () => checkCertificates(cert))
  check(`${owner}: 'key' is no private key in PEM, or has another 'passphrase'`, () => {
    for (const one of listOf(key)) createPrivateKey({ key: one, passphrase })
  })
  // Node takes no certificates at all, too: then it would trust every public authority, or nobody.
  if (ca !== undefined) check(`${owner}: 'ca' is no certificate in PEM`, () => checkCertificates(ca))
  check(`${owner}: the certificate and key cannot be used`, () =>
    createSecureContext(nodeTlsOptions(settings)),
  )
  return settings
}

function check(complaint: string, use: () => unknown): void {
  try {
    use()
  } catch (error) {
    const { message, reason = message } = error as Error & { readonly reason?: string }
    throw new InvalidOptionError(`${complaint}: ${reason}.`)
  }
}

function checkCertificates(pem: Pem): void {
  for (const one of listOf(pem)) new X509Certificate(one)
}

function listOf(pem: Pem): readonly (string | Buffer)[] {
  const list = [pem].flat()
  if (list.length === 0) throw new RangeError('the list is empty')
  return list
}

/** The same as Node takes it. Its own deadline is the socket's idle timer, so it is as good as none. */
export function nodeTlsOptions(settings: TlsSettings): NodeTlsOptions {
  return {
    ...settings,
    requestCert: settings.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: LONGEST_TIMEOUT,
  }
}
