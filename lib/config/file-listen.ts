import { formatAddress } from '../address.js'
import type { ListenOptions } from '../listen-options.js'
import type { Reading } from './file.js'
import { replaceReferences } from './file-environment.js'
import { mapOf, unknownKey } from './file-fields.js'
import { plain } from './file-pipeline.js'
import type { Entry, Node } from './file-tree.js'
import { LISTENER_OPTIONS } from './listener-options.js'
import type { Span } from './problem.js'
import { optionValue } from './value.js'

/** Options of `listen()`, with the defaults of the command line filled in. */
export type FileListenOptions = ListenOptions & Required<Pick<ListenOptions, 'host' | 'port'>>

const NAMES = Object.keys(LISTENER_OPTIONS)

/** Reads where a listener listens, and the rest of what `listen()` takes. */
export function readListen(node: Node | undefined, reading: Reading): FileListenOptions {
  const map = node && mapOf(node, "'listen'", NAMES, reading.problems)
  const given = new Map((map?.entries ?? []).map(entry => [entry.name, readOption(entry, reading)]))
  const values = NAMES.map(name => [name, given.get(name) ?? LISTENER_OPTIONS[name]?.default])
  return Object.fromEntries(values.filter(([, value]) => value !== undefined))
}

function readOption(entry: Entry, { environment, problems }: Reading): unknown {
  const { name, value } = entry
  const option = Object.hasOwn(LISTENER_OPTIONS, name) ? LISTENER_OPTIONS[name] : undefined
  if (name === 'workers') {
    const message = "A file has no 'workers': what runs in several processes could not be reloaded."
    problems.push({
      at: entry.nameAt,
      message,
      remedy: 'Use --workers of bywash run, or workers of listen().',
    })
    return undefined
  }
  if (option === undefined) {
    problems.push(unknownKey(entry, "'listen'", NAMES))
    return undefined
  }
  const before = problems.length
  const given = plain(replaceReferences(value, environment, problems))
  if (problems.length > before) return undefined
  const read = optionValue(name, option, given)
  if ('value' in read) return read.value
  problems.push({ at: value.at, message: `${read.refusal}.`, remedy: read.remedy })
  return undefined
}

/** Where a listener of the file listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Refuses an address that another listener of the file has, also as a part of all addresses. */
export function refuseTakenAddress(taken: Address[], wanted: Address, at: Span, { problems }: Reading): void {
  const other = taken.find(each => overlap(each, wanted))
  taken.push(wanted)
  if (other === undefined) return
  const [own, others] = [wanted, other].map(({ host, port }) => formatAddress(host, port))
  const message =
    own === others
      ? `Another listener has ${own}.`
      : `Another listener has ${others}, which takes ${own} too.`
  problems.push({ at, message, remedy: 'Choose another port.' })
}

/** Whether two listeners cannot be bound at the same time. */
export function overlap(one: Address, other: Address): boolean {
  return (
    one.port !== 0 &&
    one.port === other.port &&
    (covers(one.host, other.host) || covers(other.host, one.host))
  )
}

/** `::` takes IPv4 too. */
function covers(all: string, one: string): boolean {
  return all === one || all === '::' || (all === '0.0.0.0' && !one.includes(':'))
}
