import { checkInteger, checkNames } from '../options/check-option.js'

/** Whether the bytes are cut in front of a place. */
type IsCut = (bytes: Buffer, place: number) => boolean

/** Cuts at many places at once: inside each CRLF, inside each UTF-8 character, and into pieces of equal length. */
const CUT_PATTERNS: readonly IsCut[] = [
  (bytes, place) => bytes[place - 1] === 0x0d && bytes[place] === 0x0a,
  (bytes, place) => ((bytes[place] as number) & 0xc0) === 0x80,
  ...[2, 3, 4, 5, 7].map(
    (length): IsCut =>
      (_, place) =>
        place % length === 0,
  ),
]

/** Options of `chunkings()`. */
export interface ChunkingsOptions {
  /** The seed of the random cuts; the same seed gives the same cuts. @default 1 */
  readonly seed?: number
  /** The number of random cuts. @default 20 */
  readonly random?: number
  /**
   * The largest number of places at which the input is cut in two. They are evenly spread where it has more: to cut a
   * long input at each of its places takes time that grows with the square of its length. @default all places
   */
  readonly places?: number
}

/**
 * Cuts an input in many ways: whole, byte by byte, both with empty chunks between, inside every CRLF, inside every UTF-8
 * character, into pieces of 2, 3, 4, 5 and 7 bytes (which cut length fields), in two at every place, and at seeded
 * random places. Each is a list of chunks that make up the input.
 *
 * @param input - Text (UTF-8) or bytes.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * for (const chunks of chunkings('héllo\r\nworld')) {
 *   t.strictSame(await runStage(lines(), chunks), ['héllo', 'world'])
 * }
 */
export function chunkings(
  input: string | Uint8Array,
  options: ChunkingsOptions = {},
): Generator<readonly Buffer[]> {
  checkNames('chunkings()', options, ['seed', 'random', 'places'])
  const { seed = 1, random = 20, places = Number.MAX_SAFE_INTEGER } = options
  checkInteger('chunkings()', 'seed', seed, 0, 0xffff_ffff)
  checkInteger('chunkings()', 'random', random, 0, 1_000_000)
  checkInteger('chunkings()', 'places', places, 1, Number.MAX_SAFE_INTEGER)
  return cuts(input, seed, random, places)
}

function* cuts(
  input: string | Uint8Array,
  seed: number,
  random: number,
  most: number,
): Generator<readonly Buffer[]> {
  const bytes = Buffer.from(input)
  const places = Array.from({ length: Math.max(bytes.length - 1, 0) }, (_, index) => index + 1)
  yield cutAt(bytes, [])
  yield [Buffer.alloc(0), ...cutAt(bytes, []), Buffer.alloc(0)]
  yield cutAt(bytes, places)
  yield cutAt(bytes, places).flatMap(chunk => [chunk, Buffer.alloc(0)])
  for (const isCut of CUT_PATTERNS) {
    const many = places.filter(place => isCut(bytes, place))
    // A cut at a single place comes below.
    if (many.length > 1) yield cutAt(bytes, many)
  }
  const each = Math.ceil(places.length / most)
  for (const [index, place] of places.entries()) if (index % each === 0) yield cutAt(bytes, [place])
  const next = randomNumbers(seed)
  for (let round = 0; round < random; round++) {
    const often = next()
    yield cutAt(
      bytes,
      places.filter(() => next() < often),
    )
  }
}

/** Cuts bytes at places. Each chunk is a copy, so that a stage that keeps or changes a chunk is found out. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  return [0, ...places].map((from, index) => Buffer.from(bytes.subarray(from, places[index])))
}

/** Marsaglia's xorshift32: repeatable pseudo-random numbers from 0 to 1. */
export function randomNumbers(seed: number): () => number {
  let state = seed || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}
