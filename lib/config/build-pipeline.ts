import { stageFrom } from '../definition.js'
import { BywashError } from '../errors.js'
import { type Pipeline, pipeline } from '../pipeline.js'
import type { Stage } from '../stage.js'
import { didYouMean } from './did-you-mean.js'
import { orderProblems, type Placed } from './kind-order.js'
import type { Problem } from './problem.js'
import { find, namesOf, PRESET, type Registry, type Spelling } from './registry.js'
import type { Step } from './step.js'
import { stepValues } from './step-values.js'

/** The result of building a pipeline from steps: the pipeline, or the problems that prevent one. */
export interface Built {
  readonly pipeline: Pipeline<Buffer, Buffer> | undefined
  readonly problems: readonly Problem[]
}

/** Far more stages than a person writes. It bounds the time that checking a text or a file takes. */
const MAX_STAGES = 256

/**
 * Builds a pipeline from the steps of a text or a file, and collects every problem instead of stopping at the first. A
 * list whose only step is the bare name of a preset is that preset.
 */
export function pipelineOf(steps: readonly Step[], registry: Registry, spelling: Spelling): Built {
  const surplus = steps[MAX_STAGES]
  if (surplus !== undefined) {
    const message = `A pipeline has at most ${MAX_STAGES} stages; this is one more.`
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
    const values = stepValues(step, definition, spelling, problems)
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

/**
 * The name to look up for a step. A stage and a preset may share one, such as `uppercase`: a bare name that is the whole
 * list means the preset, which is a complete server.
 */
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
