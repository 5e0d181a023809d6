import { originOf } from '../define-stage.js'
import type { Pipeline } from '../pipeline.js'
import type { AnyStage } from '../stage.js'

/** The most bytes that a socket hands over in one read. */
const MAX_READ_BYTES = 65_536

/** The input of one connection that a pipeline holds at most, before backpressure stops the peer. */
export interface MemoryBound {
  /** The bytes of one read, and those of the holders. */
  readonly bytes: number
  /** The stages that declare an upper limit of what they hold, with their limits. */
  readonly holders: readonly { readonly stage: string; readonly bytes: number }[]
  /** The stages that are streams: each has buffers of its own on top. */
  readonly streams: readonly string[]
  /** The stages that no `defineStage()` made, which declare nothing. */
  readonly unknown: readonly string[]
}

/** Adds up how much of its input one connection can hold. */
export function memoryBound({ stages }: Pipeline<Buffer, Buffer>): MemoryBound {
  const holders = stages.flatMap(stage => {
    const bytes = heldBy(stage)
    return bytes === undefined ? [] : [{ stage: stage.name, bytes }]
  })
  const namesOf = (chosen: readonly AnyStage[]) => chosen.map(({ name }) => name)
  return {
    bytes: holders.reduce((sum, { bytes }) => sum + bytes, MAX_READ_BYTES),
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
