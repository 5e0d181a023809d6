import { didYouMean, nearest } from '../did-you-mean.js'
import type { Problem, Span } from '../problem.js'
import type { Entry, MapNode, Node } from './tree.js'

/** The keys that a part of a file takes: true for those that it needs. */
export type Keys = Readonly<Record<string, boolean>>

/** The entries of a map by key, or undefined when it is none. What it lacks, or should not have, is a problem. */
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

/** A node that is a map; anything else is a problem. */
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

export function unknownKey({ name, nameAt }: Entry, what: string, keys: readonly string[]): Problem {
  const remedy = didYouMean(name, keys) || `Its keys are ${keys.join(', ')}.`
  return { at: nameAt, message: `${what} takes no '${name}'.`, remedy }
}

/** The items of a list; anything else, and an empty one, is a problem. */
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

/** A text; anything else is a problem. */
export function textOf(node: Node, what: string, problems: Problem[]): string | undefined {
  if (node.type === 'scalar' && typeof node.value === 'string') return node.value
  const remedy = node.type === 'scalar' && node.value !== null ? 'Put it in quotes.' : 'Write a text.'
  problems.push({ at: node.at, message: `${what} is text; got ${kindOf(node)}.`, remedy })
  return undefined
}

/** What a node is, for the end of a message. */
export function kindOf(node: Node): string {
  if (node.type === 'map') return 'a mapping'
  if (node.type === 'list') return 'a list'
  return node.value === null ? 'nothing' : JSON.stringify(node.value)
}

/** Refuses a name that stood before. */
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
