import type { Option, OptionTable } from '../../options/option.js'
import { optionValue } from '../value.js'
import { replaceReferences } from './environment.js'
import type { Reading } from './reading.js'
import type { Entry, Node } from './tree.js'
import { plain } from './tree.js'

/** Reads the options of a table from the entries of a mapping. A wrong value is a problem, and is left out. */
export function readOptions(
  entries: ReadonlyMap<string, Entry>,
  table: OptionTable,
  reading: Reading,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(table).flatMap(([name, option]) => {
      const entry = entries.get(name)
      const value = entry && readOption(name, option, entry.value, reading)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** Reads one option; undefined where its value is wrong. */
export function readOption(
  name: string,
  option: Option,
  node: Node,
  { environment, problems }: Reading,
): unknown {
  const before = problems.length
  const given = plain(replaceReferences(node, environment, problems))
  if (problems.length > before) return undefined
  const read = optionValue(name, option, given)
  if ('value' in read) return read.value
  problems.push({ at: node.at, message: `${read.refusal}.`, remedy: read.remedy })
  return undefined
}
