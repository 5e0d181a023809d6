import { WEBSOCKET_OPTIONS, type WebSocketOptions } from '../../listener/websocket/websocket-options.js'
import { boolean } from '../../options/option.js'
import { fields } from './fields.js'
import { readOption, readOptions } from './options.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

const KEYS = Object.fromEntries(Object.keys(WEBSOCKET_OPTIONS).map(name => [name, false]))

const SWITCH = boolean({ help: 'serves WebSockets, with all defaults' })

/** Reads what `websocket` has in a file: a mapping of its options, or true for all defaults. */
export function readWebSocketNode(node: Node, reading: Reading): WebSocketOptions | boolean | undefined {
  if (node.type === 'scalar') {
    return readOption('websocket', SWITCH, node, reading) as boolean | undefined
  }
  const entries = fields(node, "'websocket'", KEYS, reading.problems) ?? new Map()
  return readOptions(entries, WEBSOCKET_OPTIONS, reading)
}
