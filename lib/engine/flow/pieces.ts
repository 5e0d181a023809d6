import type { PlannedStage } from '../planned-stage.js'
import { PIECE_BYTES } from './stream-marks.js'

const known = new WeakMap<readonly PlannedStage[], Pieces>()

/** The way in which all connections of a list take a chunk: as a whole, which is faster, or in pieces, since a stage may wait. */
export class Pieces {
  /** Whether a stage may wait, because it says so, or has returned a promise once. */
  areNeeded: boolean
  readonly #acceptsBytes: boolean
  /** Whether a stage may change the connection: a piece then ends with a frame of the first stage. */
  readonly #endWithFrame: boolean
  readonly #frameEnd: number | undefined
  /** Bytes of the longest piece. Bytes that stay bytes are not cut: however many wait, they are one item. */
  readonly #longest: number

  private constructor(stages: readonly PlannedStage[]) {
    this.areNeeded = stages.some(({ stage }) => stage.waits !== undefined || stage.upgrades)
    this.#acceptsBytes = stages[0]?.accepts === 'bytes'
    this.#endWithFrame = stages.some(({ stage }) => stage.upgrades)
    this.#frameEnd = stages[0]?.stage.frameEnd
    this.#longest = hasDecoder(stages) ? PIECE_BYTES : Infinity
  }

  static of(stages: readonly PlannedStage[]): Pieces {
    let pieces = known.get(stages)
    if (pieces === undefined) {
      pieces = new Pieces(stages)
      known.set(stages, pieces)
    }
    return pieces
  }

  /** The length of the first piece of what has come; Infinity for all of it. */
  firstOf(item: unknown): number {
    if (!this.#acceptsBytes) return Infinity
    if (!this.#endWithFrame) return this.#longest
    if (this.#frameEnd === undefined) return 1
    const end = (item as Buffer).indexOf(this.#frameEnd)
    return end === -1 ? Infinity : end + 1
  }
}

/** Whether one of the stages makes items of bytes, and so many of a long chunk. */
function hasDecoder(stages: readonly PlannedStage[]): boolean {
  return stages.some(
    ({ accepts, emits, rewrites }) => accepts === 'bytes' && (emits !== 'bytes' || rewrites !== undefined),
  )
}
