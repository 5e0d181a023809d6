import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { TlsSettings } from '../engine/tls/tls-settings.js'
import { InvalidOptionError } from '../errors.js'
import { type Option, text } from '../options/option.js'
import type { OptionsOf } from '../options/option-values.js'
import { PEM_OPTIONS, TLS_OPTIONS } from '../options/tls-options.js'

const { minVersion, alpnProtocols, handshakeTimeout } = TLS_OPTIONS

type PemName = keyof typeof PEM_OPTIONS

const PEM_NAMES = Object.keys(PEM_OPTIONS) as PemName[]

/** The options of TLS in a file and on the command line, where certificates are the paths of their files. */
export const TLS_FILE_OPTIONS = {
  ...(Object.fromEntries(
    Object.entries(PEM_OPTIONS).map(([name, { file, ...option }]) => {
      const { absent } = option as Option
      return [name, text({ help: file, minimum: 1, ...(absent === undefined ? {} : { absent }) })]
    }),
  ) as Readonly<Record<PemName, Option<string, 'optional'>>>),
  minVersion,
  alpnProtocols,
  handshakeTimeout,
}

/** The values of these options. */
export type TlsFiles = OptionsOf<typeof TLS_FILE_OPTIONS>

/** The options of TLS with their certificates. */
export interface ReadTls {
  readonly tls: TlsSettings
  /** Faults of the dates of certificates. They are used all the same: a wrong clock must not stop a server. */
  readonly warnings: readonly string[]
}

/** Whether the options ask for TLS; those with a default, such as `minVersion`, do not. */
export function asksForTls(files: TlsFiles): boolean {
  return files.alpnProtocols !== undefined || PEM_NAMES.some(name => files[name] !== undefined)
}

/**
 * Reads the certificates. Relative paths start from `folder`.
 *
 * @throws InvalidOptionError when a file is missing, cannot be read, or does not hold what it should.
 */
export async function readTls(files: TlsFiles, folder: string): Promise<ReadTls> {
  const contents = PEM_NAMES.flatMap(name => {
    const path = files[name]
    return path === undefined ? [] : [[name, read(name, path, folder)]]
  })
  // Loaded late: most servers do not speak TLS.
  const { tlsSettings } = await import('../engine/tls/tls-settings.js')
  const { dateProblems } = await import('../engine/tls/certificate-dates.js')
  const tls = tlsSettings('tls', { ...files, ...Object.fromEntries(contents) })
  return { tls, warnings: dateProblems(tls).map(problem => `tls: ${problem}`) }
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
