import { constants, createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type TlsOptions as NodeTlsOptions } from 'node:tls'
import { MAX_TIMEOUT_MS } from '../../clock.js'
import { InvalidOptionError } from '../../errors.js'
import { checkNames } from '../../options/check-option.js'
import { type SettingsOf, settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { type Pem, TLS_OPTIONS, type TlsOptions } from '../../options/tls-options.js'

/** The options of `tls`, checked, with their defaults filled in. */
export type TlsSettings = TlsOptions & SettingsOf<Pick<typeof TLS_OPTIONS, 'minVersion' | 'handshakeTimeout'>>

/** Checks the options, and with them the certificate and its key. */
export function tlsSettings(owner: string, options: TlsOptions): TlsSettings {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError(`${owner} is an object with 'cert' and 'key'; got ${showValue(options)}.`)
  }
  const { cert, key, passphrase, ca, crl } = options
  checkNames(owner, options, Object.keys(TLS_OPTIONS))
  const { minVersion, handshakeTimeout } = settingsFrom(owner, TLS_OPTIONS, options)
  const settings: TlsSettings = { ...options, minVersion, handshakeTimeout }
  check(`${owner}: 'cert' is no certificate in PEM`, () => checkCertificates(cert))
  check(`${owner}: 'key' is no private key in PEM, or has another 'passphrase'`, () => {
    for (const one of listOf(key)) createPrivateKey({ key: one, passphrase })
  })
  // Node also accepts an empty list of certificates, and then trusts every public authority, or nobody.
  if (ca !== undefined) check(`${owner}: 'ca' is no certificate in PEM`, () => checkCertificates(ca))
  if (crl !== undefined) {
    if (ca === undefined) {
      throw new InvalidOptionError(
        `${owner}: 'crl' is for certificates of clients; give their authority, 'ca', too.`,
      )
    }
    check(`${owner}: 'crl' is no revocation list in PEM`, () => createSecureContext({ crl }))
  }
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

/**
 * Gives the settings in the form that Node takes. Node's own deadline is the socket's idle timer, which any byte renews,
 * so it is set to its maximum; `handshakes.ts` keeps the time. Renegotiation is refused: it costs the server more than the
 * client, TLS 1.3 has none, and RFC 9325 §3.5 recommends servers to do without.
 */
export function nodeTlsOptions({ alpnProtocols, ...settings }: TlsSettings): NodeTlsOptions {
  return {
    ...settings,
    ...(alpnProtocols === undefined ? {} : { ALPNProtocols: [alpnProtocols].flat() }),
    requestCert: settings.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: MAX_TIMEOUT_MS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  }
}
