import type { Definition } from '../definition.js'
import { KIND_NAMES } from '../engine/planned-stage.js'
import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'
import { alternatives } from './did-you-mean.js'
import { waysBetween } from './fitting.js'
import type { Problem } from './problem.js'
import { PRESET, type Registry, type Spelling, spelt } from './registry.js'
import type { Step } from './step.js'

/** A step with its stage; the definition, and the stage, are missing where the step has problems of its own. */
export interface Placed {
  readonly step: Step
  readonly definition?: Definition
  readonly stage?: AnyStage
}

const CONNECTION = 'a connection'

/**
 * Finds each place where a stage does not take what the one before it gives, from the bytes of the connection to the
 * bytes that go back, and proposes the stages that would fit between them.
 */
export function orderProblems(
  placed: readonly Placed[],
  registry: Registry,
  spelling: Spelling,
): readonly Problem[] {
  const problems: Problem[] = []
  // Undefined behind a stage that has problems: then it is unknown what the next one is given.
  let kind: Kind | undefined = 'bytes'
  let giver = CONNECTION
  for (const { step, definition, stage } of placed) {
    const accepts = sideOf('accepts', stage, definition)
    if (kind !== undefined && accepts !== undefined && accepts !== 'any' && accepts !== kind) {
      const isFirst = giver === CONNECTION
      const preset =
        isFirst && registry.presets.has(step.name) ? ` Or mean the preset: '${PRESET}${step.name}'.` : ''
      problems.push({
        at: step.at,
        message: `Stage '${step.name}' takes ${KIND_NAMES[accepts]}, but ${giver} gives ${KIND_NAMES[kind]}.`,
        remedy: remedy(registry, kind, accepts, spelling, isFirst ? 'before it' : 'between them') + preset,
      })
    }
    const emits = sideOf('emits', stage, definition)
    kind = emits === 'same' ? (accepts === 'any' ? kind : (accepts as Kind)) : emits
    giver = `'${step.name}'`
  }
  const last = placed.at(-1)
  if (last !== undefined && kind !== undefined && kind !== 'bytes') {
    problems.push({
      at: last.step.at,
      message: `The last stage, ${giver}, gives ${KIND_NAMES[kind]}, but a connection takes bytes.`,
      remedy: remedy(registry, kind, 'bytes', spelling, 'behind it'),
    })
  }
  return problems
}

/** The kind that a stage takes or gives; undefined where it depends on an option and the options are wrong. */
function sideOf<Side extends 'accepts' | 'emits'>(
  side: Side,
  stage: AnyStage | undefined,
  definition: Definition | undefined,
): AnyStage[Side] | undefined {
  return stage?.[side] ?? (definition?.variant?.[side] === undefined ? definition?.[side] : undefined)
}

function remedy(registry: Registry, from: Kind, to: Kind, spelling: Spelling, where: string): string {
  const then = spelling === 'text' ? ' | ' : ', then '
  const ways = waysBetween(registry, from, to).map(
    names => `'${names.map(name => spelt(name, spelling)).join(then)}'`,
  )
  if (ways.length === 0) return `No stage leads from ${KIND_NAMES[from]} to ${KIND_NAMES[to]}.`
  return `Put ${alternatives(ways)} ${where}.`
}
