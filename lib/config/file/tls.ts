import type { TlsOptions } from '../../options/tls-options.js'
import { readTls, TLS_FILE_OPTIONS } from '../tls-files.js'
import { fields } from './fields.js'
import { readOptions } from './options.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

const KEYS = {
  ...Object.fromEntries(Object.keys(TLS_FILE_OPTIONS).map(name => [name, false])),
  cert: true,
  key: true,
}

/** Reads the options of TLS with their certificates; undefined where those are not to be read, or something is wrong. */
export async function readTlsNode(node: Node, reading: Reading): Promise<TlsOptions | undefined> {
  const { problems, warnings, folder, readsCertificates } = reading
  const before = problems.length
  const entries = fields(node, "'tls'", KEYS, problems) ?? new Map()
  const files = readOptions(entries, TLS_FILE_OPTIONS, reading)
  if (!readsCertificates || problems.length > before) return undefined
  try {
    const { tls, warnings: messages } = await readTls(files, folder)
    for (const message of messages) warnings.push({ at: node.at, message: `${message}.`, remedy: '' })
    return tls
  } catch (error) {
    problems.push({ at: node.at, message: (error as Error).message, remedy: '' })
    return undefined
  }
}
