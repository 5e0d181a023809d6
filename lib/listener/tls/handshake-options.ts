import { time } from '../../engine/connection-options.js'
import { choice } from '../../options/option.js'

/** The TLS versions that may be the oldest one. */
const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

/** Those of the options of TLS that flags and files can say as code does. */
export const HANDSHAKE_OPTIONS = {
  minVersion: choice(TLS_VERSIONS, { help: 'the oldest version of TLS that is spoken', default: 'TLSv1.2' }),
  handshakeTimeout: time('how long a TLS handshake may take, from the accept on', 5_000, 1),
}
