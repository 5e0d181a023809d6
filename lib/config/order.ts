import type { Definition } from '../definition.js'
import type { Kind } from '../kind.js'
import { KIND_NAMES } from '../plan.js'
import type { AnyStage } from '../stage.js'
import { waysBetween } from './fitting.js'
import type { Problem } from './problem.js'
import { kebabCase, type Registry } from './registry.js'
import type { Spelling, Step, Surroundings } from './steps.js'

/** A step with what is known of its stage: less where it has problems of its own. */
export interface Placed {
  readonly step: Step
  readonly definition?: Definition
  readonly stage?: AnyStage
}

/** Finds where stages do not fit together, from bytes to bytes; each with the stages that would fit between. */
export function orderProblems(
  placed: readonly Placed[],
  registry: Registry,
  { at, spelling }: Surroundings,
): readonly Problem[] {
  const problems: Problem[] = []
  // Unknown behind a stage that is not there, or may be of several kinds.
  let kind: Kind | undefined = 'bytes'
  let giver = 'a connection'
  for (const { step, definition, stage } of placed) {
    const accepts = (stage ?? definition)?.accepts
    if (kind !== undefined && accepts !== undefined && accepts !== 'any' && accepts !== kind) {
      problems.push({
        at: step.at,
        message: `Stage '${step.name}' takes ${KIND_NAMES[accepts]}, but ${giver} gives ${KIND_NAMES[kind]}.`,
        remedy: remedy(
          registry,
          kind,
          accepts,
          spelling,
          giver === 'a connection' ? 'before it' : 'between them',
        ),
      })
    }
    const emits = stage?.emits ?? (definition?.variant === undefined ? definition?.emits : undefined)
    kind = emits === 'same' ? (accepts === 'any' ? kind : (accepts as Kind)) : emits
    giver = `'${step.name}'`
  }
  if (kind !== undefined && kind !== 'bytes') {
    problems.push({
      at: placed.at(-1)?.step.at ?? at,
      message: `The last stage, ${giver}, gives ${KIND_NAMES[kind]}, but a connection takes bytes.`,
      remedy: remedy(registry, kind, 'bytes', spelling, 'behind it'),
    })
  }
  return problems
}

function remedy(registry: Registry, from: Kind, to: Kind, spelling: Spelling, where: string): string {
  const ways = waysBetween(registry, from, to).map(names => {
    const written = spelling === 'text' ? names.map(kebabCase).join(' | ') : names.join(', then ')
    return `'${written}'`
  })
  const last = ways.at(-1)
  if (last === undefined) return `No stage leads from ${KIND_NAMES[from]} to ${KIND_NAMES[to]}.`
  const others = ways.slice(0, -1).join(', ')
  return `Put ${others === '' ? last : `${others} or ${last}`} ${where}.`
}
