import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { InvalidOptionError } from '../errors.js'
import { TLS_OPTIONS } from '../listener/tls/tls-options.js'
import type { TlsSettings } from '../listener/tls/tls-settings.js'
import { text } from '../options/option.js'
import type { OptionsOf } from '../options/option-values.js'

const { minVersion, handshakeTimeout } = TLS_OPTIONS

/** The options of TLS in a file and on the command line, where certificates are the paths of their files. */
export const TLS_FILE_OPTIONS = {
  cert: text({ help: 'file with the certificate and its chain, in PEM; with it TLS is spoken', minimum: 1 }),
  key: text({ help: 'file with the private key of the certificate, in PEM', minimum: 1 }),
  ca: text({
    help: 'file with authorities, in PEM; a client must show a certificate that one has signed',
    minimum: 1,
    absent: 'none is asked for',
  }),
  minVersion,
  handshakeTimeout,
}

/** The values of these options. */
export type TlsFiles = OptionsOf<typeof TLS_FILE_OPTIONS>

/** Whether the options ask for TLS; those with a default, such as `minVersion`, do not. */
export function asksForTls({ cert, key, ca }: TlsFiles): boolean {
  return (cert ?? key ?? ca) !== undefined
}

/**
 * Reads the certificates. Relative paths start from `folder`.
 *
 * @throws InvalidOptionError when a file is missing, cannot be read, or does not hold what it should.
 */
export async function readTls(files: TlsFiles, folder: string): Promise<TlsSettings> {
  const { cert, key, ca, ...others } = files
  const contents = Object.entries({ cert, key, ca }).flatMap(([name, path]) =>
    path === undefined ? [] : [[name, read(name, path, folder)]],
  )
  // Loaded late: most servers do not speak TLS.
  const { tlsSettings } = await import('../listener/tls/tls-settings.js')
  return tlsSettings('tls', { ...others, ...Object.fromEntries(contents) })
}

function read(name: string, path: string, folder: string): string {
  try {
    return readFileSync(resolve(folder, path), 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${message}`
    throw new InvalidOptionError(`tls: '${name}': ${why}.`)
  }
}
