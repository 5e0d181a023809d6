import type { PlanMode } from '../../../lib/engine/planned-stage.js'
import type { AnyStage, Stage } from '../../../lib/stage.js'
import { subjectsOf } from '../../../lib/testing/check-stage.js'
import type { Example } from '../../../lib/testing/index.js'
import type { CheckSettings, Subject } from '../../../lib/testing/subject.js'
import type { Growth, Memory } from '../../../lib/testing/watch/memory.js'
import type { Resources } from '../../../lib/testing/watch/resources.js'

/** What looks at the memory find, one after the other. */
export interface Looks {
  /** The growth that quick looks find. @default 0 */
  readonly growth?: readonly (number | Growth)[]
  /** What connections hold. @default 0 */
  readonly held?: readonly number[]
  /** @default true */
  readonly isVisible?: boolean
}

/** A memory that runs what it is to measure, and finds what a test says. */
export function fakeMemory({ growth = [], held = [], isVisible = true }: Looks = {}) {
  const left = { growth: [...growth], held: [...held] }
  const counts = { looks: 0, growth: 0, held: 0 }
  const memory: Memory = {
    isVisible,
    inUse: () => 0,
    growthDuring: async run => {
      counts.growth++
      await run(() => void counts.looks++)
      const next = left.growth.shift() ?? 0
      return typeof next === 'number' ? { bytes: next, isSure: true } : next
    },
    heldBy: async run => {
      counts.held++
      let isHeld = false
      await run(async () => {
        isHeld = true
      })
      const next = left.held.shift() ?? 0
      return isHeld ? next : 0
    },
  }
  return { memory, counts }
}

const QUIET: Resources = { pending: () => 0, active: () => new Map(), descriptors: () => new Map() }

/** A stage with an example, as the laws see it. */
export function subjectOf<In, Out>(
  stage: Stage<In, Out>,
  example: Example<NoInfer<In>, NoInfer<Out>>,
  { plan = 'fused', ...given }: { readonly plan?: PlanMode } & Partial<CheckSettings> = {},
): Subject {
  const settings = {
    seed: 1,
    random: 0,
    held: 4096,
    timeout: 60_000,
    endpoints: {},
    memory: fakeMemory().memory,
    resources: QUIET,
    ...given,
  }
  const subjects = subjectsOf(stage as AnyStage, example as Example<unknown, unknown>, true, settings)
  return subjects.find(each => each.plan === plan) as Subject
}
