import { resolve } from 'node:path'
import { formatAddress } from '../../address.js'
import { listenAddress, type TcpAddress } from '../../listener/address/listen-address.js'
import type { ListenOptions } from '../../listener/listen-options.js'
import { defaultsOf } from '../../options/option-values.js'
import { LISTENER_OPTIONS } from '../listener-options.js'
import type { Span } from '../problem.js'
import { fields } from './fields.js'
import { readOptions } from './options.js'
import type { Reading } from './reading.js'
import { readTlsNode } from './tls.js'
import type { Node } from './tree.js'
import { readWebSocketNode } from './websocket.js'

const KEYS = Object.fromEntries(
  [...Object.keys(LISTENER_OPTIONS), 'tls', 'websocket'].map(name => [name, false]),
)

const DEFAULTS: ListenOptions = Object.fromEntries(
  Object.entries(defaultsOf(LISTENER_OPTIONS)).filter(([, value]) => value !== undefined),
)

/** Reads the options of a listener, with the defaults of the command line. */
export async function readListen(node: Node | undefined, reading: Reading): Promise<ListenOptions> {
  if (node === undefined) return DEFAULTS
  const { problems, folder } = reading
  const before = problems.length
  const entries = fields(node, "'listen'", KEYS, problems) ?? new Map()
  const { path, ...given }: ListenOptions = readOptions(entries, LISTENER_OPTIONS, reading)
  const tlsNode = entries.get('tls')?.value
  const tls = tlsNode === undefined ? undefined : await readTlsNode(tlsNode, reading)
  const websocketNode = entries.get('websocket')?.value
  const websocket = websocketNode && readWebSocketNode(websocketNode, reading)
  const { host, port, ...defaults } = DEFAULTS
  const options: ListenOptions = {
    ...(path === undefined && given.fd === undefined ? { host, port } : {}),
    ...defaults,
    ...given,
    ...(path === undefined ? {} : { path: resolve(folder, path) }),
    ...(tls === undefined ? {} : { tls }),
    ...(websocket === undefined ? {} : { websocket }),
  }
  if (problems.length === before) refuseAddress(options, node.at, reading)
  return options
}

/** Adds a problem where the options give no valid address, or more than one. */
function refuseAddress(options: ListenOptions, at: Span, { problems }: Reading): void {
  try {
    listenAddress("'listen'", options, 1)
  } catch (error) {
    problems.push({ at, message: (error as Error).message, remedy: '' })
  }
}

/** The address of a listener. */
export type Address = Pick<ListenOptions, 'host' | 'port' | 'path' | 'fd'>

/** Adds a problem where another listener of the file has the address, or listens on all addresses with that port. */
export function refuseTakenAddress(taken: Address[], wanted: Address, at: Span, { problems }: Reading): void {
  const other = taken.find(each => overlap(each, wanted))
  taken.push(wanted)
  if (other === undefined) return
  const [own, others] = [wanted, other].map(inWords)
  const message =
    own === others
      ? `Another listener has ${own}.`
      : `Another listener has ${others}, which takes ${own} too.`
  problems.push({ at, message, remedy: isTcp(wanted) ? 'Choose another port.' : 'Choose another.' })
}

function inWords(address: Address): string {
  if (isTcp(address)) return formatAddress(address.host, address.port)
  return address.path ?? `descriptor ${address.fd}`
}

/** Whether two addresses cannot be bound at the same time. */
export function overlap(one: Address, other: Address): boolean {
  if (!isTcp(one) || !isTcp(other)) {
    return one.port === other.port && one.path === other.path && one.fd === other.fd
  }
  return (
    one.port !== 0 &&
    one.port === other.port &&
    (covers(one.host, other.host) || covers(other.host, one.host))
  )
}

function isTcp(address: Address): address is Pick<TcpAddress, 'host' | 'port'> {
  return address.port !== undefined
}

/** Whether one host includes another; `::` includes IPv4 addresses too. */
function covers(all: string, one: string): boolean {
  return all === one || all === '::' || (all === '0.0.0.0' && !one.includes(':'))
}
