import { checkInteger, checkNames } from '../check-option.js'

/** Options of `chunkings()`. */
export interface ChunkingsOptions {
  /** Where the random cuts begin; the same seed gives the same cuts. @default 1 */
  readonly seed?: number
  /** How many random cuts to give. @default 20 */
  readonly random?: number
}

/**
 * Cuts an input in many ways: whole, byte by byte, with an empty chunk between bytes, in two at every place, and at
 * seeded random places. Each is a list of chunks that make up the input.
 *
 * @param input - Text (UTF-8) or bytes.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * for (const chunks of chunkings('héllo\r\nworld')) {
 *   t.strictSame(await runStage(lines(), chunks), ['héllo', 'world'])
 * }
 */
export function* chunkings(
  input: string | Uint8Array,
  options: ChunkingsOptions = {},
): Generator<readonly Buffer[]> {
  const { seed = 1, random = 20 } = options
  checkNames('chunkings()', options, ['seed', 'random'])
  checkInteger('chunkings()', 'seed', seed, 0, 0xffff_ffff)
  checkInteger('chunkings()', 'random', random, 0, 1_000_000)
  const bytes = Buffer.from(input)
  const places = Array.from({ length: Math.max(bytes.length - 1, 0) }, (_, index) => index + 1)
  yield cut(bytes, [])
  yield cut(bytes, places)
  yield cut(bytes, places).flatMap(chunk => [chunk, Buffer.alloc(0)])
  for (const place of places) yield cut(bytes, [place])
  const next = numbers(seed)
  for (let round = 0; round < random; round++) {
    const often = next()
    yield cut(
      bytes,
      places.filter(() => next() < often),
    )
  }
}

/** Each chunk is a copy, so that a stage that keeps or changes one is found out. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  return [0, ...places].map((from, index) => Buffer.from(bytes.subarray(from, places[index])))
}

/** Marsaglia's xorshift32: repeatable numbers from 0 to 1. */
function numbers(seed: number): () => number {
  let state = seed || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}
