import type { PlannedStage } from '../planned-stage.js'

/**
 * The user of the memory of a chunk when the flow has taken it, which decides what memory a socket may be read into:
 *
 * - `none`: nothing does, so the memory may be used again at once
 * - `sink`: only output that the sink has been given, so it may be used again once the sink is flushed
 * - `any`: a stage may keep the chunk, or give something that refers to it, so the chunk needs memory of its own
 */
export type ChunkUse = 'none' | 'sink' | 'any'

const known = new WeakMap<readonly PlannedStage[], ChunkUse>()

/** The use that stages make of chunks as long as none of them has returned a promise. */
export function chunkUse(stages: readonly PlannedStage[]): ChunkUse {
  let use = known.get(stages)
  if (use === undefined) {
    use = useOf(stages)
    known.set(stages, use)
  }
  return use
}

function useOf(stages: readonly PlannedStage[]): ChunkUse {
  if (stages.some(({ stage }) => stage.waits !== undefined || stage.upgrades)) return 'any'
  // A stage that only greets lets each chunk pass.
  const [first, second] = stages.filter(({ stage }) => stage.greeting === undefined)
  if (first === undefined) return 'sink'
  if (first.stage.consumes) return 'none'
  return first.runs === 'on whole blocks of lines' && second === undefined ? 'sink' : 'any'
}
