import type { Kind } from '../../kind.js'

/** Items that may wait on each side of a stream. Chunks can be large, so only one of them. */
export const HIGH_WATER_MARK: Record<Kind, number> = { bytes: 1, line: 16, frame: 16, value: 16 }

/**
 * Size of the pieces in which a chunk goes to a stream that makes items of bytes, and into a segment with a stage that waits.
 * The rest of the chunk waits as it is: as items its bytes would take up to 136 times the memory.
 */
export const PIECE_BYTES = 512
