import type { StageFactory } from '../definition.js'
import type { Kind } from '../kind.js'
import type { Registry } from './registry.js'

/**
 * Finds the shortest lists of stages that turn one kind into another, as lists of their names: all of the shortest, or
 * none where no known stages lead there. Stages of a single protocol are left out. A breadth-first search over the kinds.
 */
export function waysBetween({ stages }: Registry, from: Kind, to: Kind): readonly (readonly string[])[] {
  const steps = [...stages.values()].filter(changesKind)
  let ways = [{ kind: from, names: [] as readonly string[] }]
  const seen = new Set<Kind>()
  while (ways.length > 0) {
    const found = ways.filter(({ kind }) => kind === to)
    if (found.length > 0) return found.map(({ names }) => names)
    for (const { kind } of ways) seen.add(kind)
    ways = ways.flatMap(({ kind, names }) =>
      steps
        .filter(({ definition }) => definition.accepts === kind && !seen.has(definition.emits as Kind))
        .map(({ definition }) => ({ kind: definition.emits as Kind, names: [...names, definition.name] })),
    )
  }
  return []
}

function changesKind({ definition: { accepts, emits, isProposed } }: StageFactory): boolean {
  return isProposed !== false && accepts !== 'any' && emits !== 'same' && accepts !== emits
}
