import { createCipheriv, createHmac } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

// The alerts that OpenSSL sends for these results of a verification; RFC 8446 §6.2 has their numbers.
const BAD_CERTIFICATE = 42
const REVOKED = 44
const EXPIRED = 45
const UNKNOWN_AUTHORITY = 48
const ALERTS: ReadonlyMap<string, number> = new Map([
  ['CERT_REVOKED', REVOKED],
  ['CERT_HAS_EXPIRED', EXPIRED],
  ['CRL_HAS_EXPIRED', EXPIRED],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNKNOWN_AUTHORITY],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_CRL', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNKNOWN_AUTHORITY],
])

const FATAL = 2
const ALERT_TYPE = 0x15
const APPLICATION_DATA_TYPE = 0x17
const TAG_BYTES = 16

/**
 * Makes the TLS record with which a client hears why its certificate is not accepted. It is for the moment in which the
 * handshake is over and nothing has left behind it: to a client of TLS 1.2 the record goes in plain, and to one of 1.3 as
 * the first that is encrypted with the server's traffic secret.
 *
 * @param problem - The name of OpenSSL's result, as `socket.authorizationError` has it.
 * @returns Nothing for a cipher that is not among Node's defaults.
 */
export function certificateAlert(
  socket: Pick<TLSSocket, 'getCipher'>,
  problem: string,
  trafficSecret: Buffer | undefined,
): Buffer {
  const alert = [FATAL, ALERTS.get(problem) ?? BAD_CERTIFICATE]
  if (trafficSecret === undefined) return Buffer.of(ALERT_TYPE, 3, 3, 0, alert.length, ...alert)
  const [, cipher, hash] =
    /^TLS_(AES_\d+_GCM|CHACHA20_POLY1305)_(SHA\d+)$/.exec(socket.getCipher().name) ?? []
  if (cipher === undefined || hash === undefined) return Buffer.alloc(0)
  const algorithm = cipher.toLowerCase().replaceAll('_', '-') as 'aes-256-gcm'
  const key = expand(hash, trafficSecret, 'key', cipher === 'AES_128_GCM' ? 16 : 32)
  const iv = expand(hash, trafficSecret, 'iv', 12)
  const content = Buffer.of(...alert, ALERT_TYPE)
  const header = Buffer.of(APPLICATION_DATA_TYPE, 3, 3, 0, content.length + TAG_BYTES)
  const encryption = createCipheriv(algorithm, key, iv, { authTagLength: TAG_BYTES }).setAAD(header)
  return Buffer.concat([header, encryption.update(content), encryption.final(), encryption.getAuthTag()])
}

/** HKDF-Expand-Label of RFC 8446 §7.1, for at most as many bytes as the hash has. */
function expand(hash: string, secret: Buffer, name: string, length: number): Buffer {
  const label = `tls13 ${name}`
  const info = Buffer.concat([Buffer.of(0, length, label.length), Buffer.from(label), Buffer.of(0, 1)])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}
