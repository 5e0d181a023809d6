import { originOf } from '../define-stage.js'
import type { Pipeline } from '../pipeline.js'
import type { AnyStage } from '../stage.js'

/** A socket gives at most so many bytes at once. */
const READ_BYTES = 65_536

/** What a pipeline keeps of what has come on one connection, before backpressure stops the peer. */
export interface MemoryBound {
  /** Bytes that one read and the stages that say so keep at most. */
  readonly bytes: number
  /** Those stages, with their shares. */
  readonly holders: readonly { readonly stage: string; readonly bytes: number }[]
  /** Stages that are streams: each has buffers of its own besides. */
  readonly streams: readonly string[]
  /** Stages that do not say what they keep. */
  readonly unknown: readonly string[]
}

/** Finds what bounds the memory of one connection. */
export function memoryBound({ stages }: Pipeline<Buffer, Buffer>): MemoryBound {
  const holders = stages.flatMap(stage => {
    const bytes = heldBy(stage)
    return bytes === undefined ? [] : [{ stage: stage.name, bytes }]
  })
  const namesOf = (chosen: readonly AnyStage[]) => chosen.map(({ name }) => name)
  return {
    bytes: holders.reduce((sum, { bytes }) => sum + bytes, READ_BYTES),
    holders,
    streams: namesOf(stages.filter(({ open }) => open === undefined)),
    unknown: namesOf(stages.filter(stage => stage.open !== undefined && originOf(stage) === undefined)),
  }
}

function heldBy(stage: AnyStage): number | undefined {
  const { definition, settings } = originOf(stage) ?? {}
  const bytes = settings?.[definition?.holds ?? '']
  return typeof bytes === 'number' ? bytes : undefined
}
