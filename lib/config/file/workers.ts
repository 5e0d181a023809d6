import { listenAddress } from '../../listener/address/listen-address.js'
import {
  WORKERS_OPTIONS,
  type WorkersOptions,
  workersOption,
  workersSettings,
} from '../../listener/workers/workers-options.js'
import { fields } from './fields.js'
import type { ListenerEntry } from './listeners.js'
import { readOption, readOptions } from './options.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

const KEYS = Object.fromEntries(Object.keys(WORKERS_OPTIONS).map(name => [name, name === 'count']))

/** Reads what `workers` has in a file: their number, or a mapping of the options of `workers`. All listeners have the same ones. */
export function readWorkersNode(
  node: Node,
  listeners: readonly ListenerEntry[],
  reading: Reading,
): WorkersOptions | undefined {
  const { problems } = reading
  const before = problems.length
  const options = readAny(node, reading)
  if (options === undefined || problems.length > before) return undefined
  for (const { listen } of listeners) {
    try {
      workersSettings(options, listenAddress("'listen'", listen, 1), undefined, "'workers'")
    } catch (error) {
      problems.push({ at: node.at, message: (error as Error).message, remedy: '' })
      return undefined
    }
  }
  return options
}

function readAny(node: Node, reading: Reading): WorkersOptions | undefined {
  if (node.type === 'scalar') {
    const count = readOption('workers', workersOption(), node, reading)
    return count === undefined ? undefined : { count: count as number | 'auto' }
  }
  const entries = fields(node, "'workers'", KEYS, reading.problems)
  return entries && (readOptions(entries, WORKERS_OPTIONS, reading) as WorkersOptions)
}
