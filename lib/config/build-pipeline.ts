import { stageFrom } from '../definition.js'
import { BywashError } from '../errors.js'
import { type Pipeline, pipeline } from '../pipeline.js'
import type { Stage } from '../stage.js'
import { didYouMean } from './did-you-mean.js'
import { orderProblems, type Placed } from './kind-order.js'
import type { Problem } from './problem.js'
import { find, namesOf, PRESET, type Registry, type Spelling } from './registry.js'
import type { Step } from './step.js'
import { valuesOf } from './step-values.js'

/** What becomes of a list of steps: a pipeline, or problems. */
export interface Built {
  readonly pipeline: Pipeline<Buffer, Buffer> | undefined
  readonly problems: readonly Problem[]
}

/** The time that it takes to make a pipeline grows with the square of their number. */
const MOST_STAGES = 256

/**
 * Makes a pipeline of a list of steps, and finds all that is wrong with it. A list of one bare name that is a preset's
 * is that preset.
 */
export function pipelineOf(steps: readonly Step[], registry: Registry, spelling: Spelling): Built {
  const surplus = steps[MOST_STAGES]
  if (surplus !== undefined) {
    const message = `A pipeline has at most ${MOST_STAGES} stages; this is one more.`
    return { pipeline: undefined, problems: [{ at: surplus.at, message, remedy: '' }] }
  }
  const problems: Problem[] = []
  const placed = steps.map((step): Placed => {
    const factory = find(registry, nameIn(steps, step, registry))
    if (factory === undefined) {
      problems.push(unknownStage(step, registry, spelling))
      return { step }
    }
    const { definition } = factory
    const before = problems.length
    const values = valuesOf(step, definition, spelling, problems)
    if (problems.length > before) return { step, definition }
    try {
      return { step, definition, stage: stageFrom(factory, values) }
    } catch (error) {
      if (!(error instanceof BywashError)) throw error
      problems.push({ at: step.at, message: error.message, remedy: '' })
      return { step, definition }
    }
  })
  problems.push(...orderProblems(placed, registry, spelling))
  if (problems.length > 0)
    return { pipeline: undefined, problems: problems.sort((a, b) => a.at.start - b.at.start) }
  const whole = placed.reduce((begun, { stage }) => begun.through(stage as Stage<Buffer, Buffer>), pipeline())
  return { pipeline: whole, problems }
}

/** `uppercase` alone cannot be the stage, which takes lines: it is the preset. */
function nameIn(
  steps: readonly Step[],
  { name, arguments: list, options }: Step,
  { presets }: Registry,
): string {
  const isAlone = steps.length === 1 && list.length === 0 && options.length === 0
  return isAlone && presets.has(name) ? PRESET + name : name
}

function unknownStage({ name, at }: Step, registry: Registry, spelling: Spelling): Problem {
  const near = didYouMean(name, namesOf(registry, spelling))
  return {
    at,
    message: `There is no stage '${name}'.`,
    remedy: near === '' ? "'bywash stages' lists them all." : near,
  }
}
