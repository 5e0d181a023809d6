import { choice, integer, type Option, type Presence, text } from './option.js'
import type { OptionsOf } from './option-values.js'
import { showValue } from './show-value.js'
import { writtenAs } from './written-as.js'

/** Longest time that a timer of Node's takes. */
const MAX_TIMEOUT_MS = 2_147_483_647

/** PEM, as text or bytes; several where Node takes several. */
export type Pem = string | Buffer | (string | Buffer)[]

/** The options that are certificates, keys and lists. Flags and files name them by the paths of their files, as `file` says. */
export const PEM_OPTIONS = {
  cert: {
    ...required<Pem>('the certificate, with its chain, in PEM'),
    file: 'file with the certificate and its chain, in PEM; with it TLS is spoken',
  },
  key: {
    ...required<Pem>('the private key of the certificate, in PEM'),
    file: 'file with the private key of the certificate, in PEM',
  },
  ca: {
    ...optional<Pem>(
      'certificates of authorities, in PEM: a client must show one that an authority has signed (mutual TLS); without it none is asked for',
      'none',
    ),
    file: 'file with authorities, in PEM; a client must show a certificate that one has signed',
  },
  crl: {
    ...optional<Pem>(
      'revocation lists of these authorities, in PEM: a client certificate that is on one is refused',
      'none',
    ),
    file: 'file with revocation lists of these authorities, in PEM; a client certificate that is on one is refused',
  },
}

/** So many names of the longest kind fit into a handshake. */
const MAX_ALPN_PROTOCOLS = 255

/** Every option of `tls`. */
export const TLS_OPTIONS = {
  ...PEM_OPTIONS,
  passphrase: optional<string>('what the private key is encrypted with', 'not encrypted'),
  minVersion: choice(['TLSv1.2', 'TLSv1.3'], {
    help: 'the oldest version of TLS that is spoken',
    default: 'TLSv1.2',
  }),
  alpnProtocols: alpnList({
    help: 'protocols to agree on with the client (ALPN), the preferred one first, such as mqtt; a client that offers others only is refused, and one that offers none is served',
    absent: 'none',
  }),
  handshakeTimeout: integer({
    help: 'how long a TLS handshake may take, from the accept on',
    default: 5_000,
    minimum: 1,
    maximum: MAX_TIMEOUT_MS,
    unit: 'ms',
  }),
}

/** Options of TLS, with the names that `tls.createServer()` has for them. Times are in milliseconds. */
export interface TlsOptions extends OptionsOf<typeof TLS_OPTIONS> {}

/** Names of protocols: one, or a list of them. */
function alpnList(about: Parameters<typeof text>[0]): Option<readonly string[], 'optional'> {
  return writtenAs({ ...text(about), isList: true }, { refusal: refuseAlpn, writtenRefusal: refuseAlpn })
}

/** Refuses a list with a name that does not fit into a handshake: each has a length of one byte, and all of them one of two. */
function refuseAlpn(name: string, value: unknown): string | undefined {
  const list: readonly unknown[] = [value].flat()
  const wrong = list.findIndex(one => typeof one !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(one))
  if (wrong !== -1)
    return `'${name}' is a list of protocols, such as 'mqtt' or 'h2'; got ${showValue(list[wrong])}`
  return list.length > 0 && list.length <= MAX_ALPN_PROTOCOLS
    ? undefined
    : `'${name}' has 1 to ${MAX_ALPN_PROTOCOLS} protocols; got ${list.length}`
}

function required<Value>(help: string): Option<Value, 'required'> {
  return loaded(help, 'required', (name, value) =>
    value === undefined ? `'${name}' is missing; TLS needs a certificate and its key` : undefined,
  )
}

function optional<Value>(help: string, absent: string): Option<Value, 'optional'> {
  return { ...loaded<Value, 'optional'>(help, 'optional', () => undefined), absent }
}

/** An option whose value Node checks, together with the others, when the certificates are loaded. */
function loaded<Value, Present extends Presence>(
  help: string,
  presence: Present,
  refusal: Option['refusal'],
): Option<Value, Present> {
  return { type: 'code', help, presence, isList: false, refusal }
}
