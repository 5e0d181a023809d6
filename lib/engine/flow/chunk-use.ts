import type { ChunkUse } from '../../net/socket-reader.js'
import type { PlannedStage } from '../planned-stage.js'

const known = new WeakMap<readonly PlannedStage[], ChunkUse>()

/** The use that stages make of chunks as long as none of them waits. */
export function chunkUse(stages: readonly PlannedStage[]): ChunkUse {
  let use = known.get(stages)
  if (use === undefined) {
    use = useOf(stages)
    known.set(stages, use)
  }
  return use
}

function useOf(stages: readonly PlannedStage[]): ChunkUse {
  if (stages.some(({ stage }) => stage.upgrades)) return 'any'
  // A stage that only greets lets each chunk pass.
  const [first, second] = stages.filter(({ stage }) => stage.greeting === undefined)
  if (first === undefined || first.stage.passesOn) return 'sink'
  if (stages.some(({ stage }) => stage.waits !== undefined)) return 'any'
  if (first.stage.consumes) return 'none'
  return first.runs === 'on whole blocks of lines' && second === undefined ? 'sink' : 'any'
}
