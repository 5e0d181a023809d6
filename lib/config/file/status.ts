import { resolve } from 'node:path'
import { STATUS_ADDRESS } from '../../status-server/status-address.js'
import {
  STATUS_OPTIONS,
  type StatusServerOptions,
  statusSettings,
} from '../../status-server/status-options.js'
import { fields } from './fields.js'
import { readOption, readOptions } from './options.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

const KEYS = Object.fromEntries(Object.keys(STATUS_OPTIONS).map(name => [name, false]))

/** Reads what `status` has in a file: an address, or a mapping of the options of `serveStatus()`. */
export function readStatusNode(node: Node, reading: Reading): StatusServerOptions | undefined {
  const { problems, folder } = reading
  const before = problems.length
  const options = readAny(node, reading)
  if (options === undefined || problems.length > before) return undefined
  try {
    statusSettings(options)
  } catch (error) {
    problems.push({ at: node.at, message: (error as Error).message, remedy: '' })
  }
  return options.path === undefined ? options : { ...options, path: resolve(folder, options.path) }
}

function readAny(node: Node, reading: Reading): StatusServerOptions | undefined {
  if (node.type === 'scalar') {
    return readOption('status', STATUS_ADDRESS, node, reading) as StatusServerOptions | undefined
  }
  const entries = fields(node, "'status'", KEYS, reading.problems)
  return entries && readOptions(entries, STATUS_OPTIONS, reading)
}
