import type { ListenOptions } from '../../listener/listen-options.js'
import { replaceReferences } from './environment.js'
import { fields, itemsOf, refuseDuplicate, textOf } from './fields.js'
import { type Address, readListen, refuseTakenAddress } from './listen.js'
import { type ReadPipeline, readPipeline } from './pipeline.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

/** One listener of a file. */
export interface ListenerEntry extends ReadPipeline {
  readonly name: string
  readonly listen: ListenOptions
}

const KEYS = { name: true, listen: false, pipeline: true }

/** The form of names, which log lines and tests use. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export async function readListeners(list: Node, reading: Reading): Promise<readonly ListenerEntry[]> {
  const { problems } = reading
  const names = new Set<string>()
  const taken: Address[] = []
  const listeners: ListenerEntry[] = []
  for (const item of itemsOf(list, "'listeners'", problems)) {
    const found = fields(item, 'A listener', KEYS, problems)
    if (found === undefined) continue
    const name = readName(found.get('name')?.value, reading)
    const nameAt = found.get('name')?.value.at
    if (name !== undefined && nameAt !== undefined) refuseDuplicate(names, name, 'listener', nameAt, problems)
    const listenNode = found.get('listen')?.value
    const listen = await readListen(listenNode, reading)
    refuseTakenAddress(taken, listen, (listenNode ?? item).at, reading)
    const chosen = found.get('pipeline')?.value
    const { pipeline, written } = chosen === undefined ? NO_PIPELINE : readPipeline(chosen, reading)
    listeners.push({ name: name ?? '', listen, pipeline, written })
  }
  return listeners
}

const NO_PIPELINE = { pipeline: undefined, written: '' }

function readName(node: Node | undefined, { environment, problems }: Reading): string | undefined {
  if (node === undefined) return undefined
  const name = textOf(replaceReferences(node, environment, problems), "A listener's 'name'", problems)
  if (name === undefined || NAME.test(name)) return name
  const message = `${JSON.stringify(name)} is no name for a listener.`
  problems.push({ at: node.at, message, remedy: "Use letters, digits, '-', '_' and '.', at most 64." })
  return undefined
}
