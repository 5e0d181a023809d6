import { stageFrom } from '../definition.js'
import { BywashError } from '../errors.js'
import { type Pipeline, pipeline } from '../pipeline.js'
import type { Stage } from '../stage.js'
import { didYouMean } from './near.js'
import { orderProblems, type Placed } from './order.js'
import type { Problem, Span } from './problem.js'
import { find, namesOf, PRESET, type Registry, type Spelling } from './registry.js'
import { valuesOf } from './step-values.js'

/** A value, and where it stands. */
export interface Given {
  readonly value: unknown
  readonly at: Span
}

/** A value with the name of its option; `at` is where the value stands. */
export interface GivenOption extends Given {
  readonly name: string
  readonly nameAt: Span
}

/** One stage of a list, as a text or a file has it. */
export interface Step {
  /** In camel or kebab case, or `preset:` and the name of a preset. */
  readonly name: string
  /** Where the name stands. */
  readonly at: Span
  /** The arguments in their order. */
  readonly arguments: readonly Given[]
  /** Options, and arguments that are given by name. */
  readonly options: readonly GivenOption[]
}

/** What stands around a list of steps. */
export interface Surroundings {
  readonly spelling: Spelling
  /** Where presets print lines of their own. @default nowhere */
  readonly log?: (line: string) => void
}

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
export function pipelineOf(steps: readonly Step[], registry: Registry, surroundings: Surroundings): Built {
  const surplus = steps[MOST_STAGES]
  if (surplus !== undefined) {
    const message = `A pipeline has at most ${MOST_STAGES} stages; this is one more.`
    return { pipeline: undefined, problems: [{ at: surplus.at, message, remedy: '' }] }
  }
  const { log } = surroundings
  const problems: Problem[] = []
  const placed = steps.map((step): Placed => {
    const factory = find(registry, nameIn(steps, step, registry), log)
    if (factory === undefined) {
      problems.push(unknownStage(step, registry, surroundings.spelling))
      return { step }
    }
    const { definition } = factory
    const before = problems.length
    const values = valuesOf(step, definition, surroundings.spelling, problems)
    if (problems.length > before) return { step, definition }
    try {
      return { step, definition, stage: stageFrom(factory, values) }
    } catch (error) {
      if (!(error instanceof BywashError)) throw error
      problems.push({ at: step.at, message: error.message, remedy: '' })
      return { step, definition }
    }
  })
  problems.push(...orderProblems(placed, registry, surroundings))
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
