import { didYouMean, nearest } from '../did-you-mean.js'
import type { Problem, Span } from '../problem.js'
import type { Entry, MapNode, Node } from './tree.js'

/** The keys of a mapping in a file; true for those that are required. */
export type Keys = Readonly<Record<string, boolean>>

/** Gives the entries of a mapping by key; undefined for any other node. Missing and unknown keys are problems. */
export function fields(
  node: Node,
  what: string,
  keys: Keys,
  problems: Problem[],
): ReadonlyMap<string, Entry> | undefined {
  const map = mapOf(node, what, Object.keys(keys), problems)
  if (map === undefined) return undefined
  const found = new Map<string, Entry>()
  for (const entry of map.entries) {
    if (Object.hasOwn(keys, entry.name)) found.set(entry.name, entry)
    else problems.push(unknownKey(entry, what, Object.keys(keys)))
  }
  const meant = map.entries.flatMap(({ name }) => (found.has(name) ? [] : nearest(name, Object.keys(keys))))
  for (const [name, isNeeded] of Object.entries(keys)) {
    if (!isNeeded || found.has(name) || meant.includes(name)) continue
    problems.push({ at: map.at, message: `${what} has no '${name}'.`, remedy: `Add '${name}:'.` })
  }
  return found
}

/** Gives a mapping; any other node is a problem. */
export function mapOf(
  node: Node,
  what: string,
  keys: readonly string[],
  problems: Problem[],
): MapNode | undefined {
  if (node.type === 'map') return node
  const remedy = `Its keys are ${keys.join(', ')}.`
  problems.push({ at: node.at, message: `${what} is a mapping; got ${kindOf(node)}.`, remedy })
  return undefined
}

function unknownKey({ name, nameAt }: Entry, what: string, keys: readonly string[]): Problem {
  const remedy = didYouMean(name, keys) || `Its keys are ${keys.join(', ')}.`
  return { at: nameAt, message: `${what} takes no '${name}'.`, remedy }
}

/** Gives the items of a list; any other node, and an empty list, is a problem. */
export function itemsOf(node: Node, what: string, problems: Problem[]): readonly Node[] {
  if (node.type === 'list' && node.items.length > 0) return node.items
  const got = node.type === 'list' ? 'an empty one' : kindOf(node)
  problems.push({
    at: node.at,
    message: `${what} is a list; got ${got}.`,
    remedy: "Begin each item with '- '.",
  })
  return []
}

/** Gives a text; any other node is a problem. */
export function textOf(node: Node, what: string, problems: Problem[]): string | undefined {
  if (node.type === 'scalar' && typeof node.value === 'string') return node.value
  const remedy = node.type === 'scalar' && node.value !== null ? 'Put it in quotes.' : 'Write a text.'
  problems.push({ at: node.at, message: `${what} is text; got ${kindOf(node)}.`, remedy })
  return undefined
}

/** Describes a node, for the end of a message. */
export function kindOf(node: Node): string {
  if (node.type === 'map') return 'a mapping'
  if (node.type === 'list') return 'a list'
  return node.value === null ? 'nothing' : JSON.stringify(node.value)
}

/** Adds a problem for a name that an earlier item has. */
export function refuseDuplicate(
  seen: Set<string>,
  name: string,
  what: string,
  at: Span,
  problems: Problem[],
): void {
  if (seen.has(name)) {
    problems.push({
      at,
      message: `There is another ${what} named '${name}'.`,
      remedy: 'Rename one of the two.',
    })
  }
  seen.add(name)
}
