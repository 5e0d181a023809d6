import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { LENGTH_FIELD_OPTIONS, type LengthField } from '../../lib/stages/frames/length-field.js'
import type { StageChoice } from './stage-list.js'

/** A part of the input. One that fits is encoded as the decoders of the list take it; any other stands there as it is. */
export interface Item {
  readonly bytes: Buffer
  readonly fits: boolean
}

/** A fault that is put into the input. */
export interface Mistake {
  readonly at: number
  readonly what: 'change' | 'drop' | 'double'
}

const TEXTS = [
  '',
  'a',
  'hello',
  'é',
  '🌊',
  '\n',
  '\r',
  '\r\n',
  ';',
  '\0',
  '--',
  '{"a":[1,null]}',
  '[]',
  '1e400',
  '"\\u0061"',
  '{"__proto__":1}',
  'null',
  '{"a":1,"a":2}',
  '12345678901234567890',
  '[[[[',
  '5:hello,',
  '0:,',
  'aGVsbG8=',
  '68656c6c6f',
].map(text => Buffer.from(text))

const BYTES = [
  'c3',
  'a9',
  'f09f',
  '8c8a',
  'ff',
  'c0',
  'dbdc',
  'dbdd',
  'db',
  '00000001',
  '80',
  '1f8b08',
  '8001',
].map(hex => Buffer.from(hex, 'hex'))

const payload = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 3, arbitrary: fc.constantFrom(...BYTES) },
  { weight: 2, arbitrary: fc.json({ maxDepth: 2 }).map(text => Buffer.from(text)) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }).map(text => Buffer.from(text)) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }).map(bytes => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', ';', '\n', 'é', '\0', 'a\n', '[]\n'), fc.integer({ min: 1, max: 4000 }))
      .map(([text, count]) => Buffer.from(text.repeat(count))),
  },
)

export const items: fc.Arbitrary<readonly Item[]> = fc.array(
  fc.record({
    bytes: payload,
    fits: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  }),
  { maxLength: 12 },
)

export const mistakes: fc.Arbitrary<readonly Mistake[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.array(fc.record({ at: fc.nat(4000), what: fc.constantFrom('change', 'drop', 'double') }), {
      minLength: 1,
      maxLength: 2,
    }),
  },
)

/** The places where the input is cut, from its beginning; `every` cuts behind each byte of a short one. */
export const cuts: fc.Arbitrary<readonly number[] | 'every'> = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.nat(2000), { maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constant('every' as const) },
)

/** Longer inputs are cut off: they are one read of a socket, and what is discarded at the end is bounded. */
const MAX_INPUT_BYTES = 40_000

/** Inputs up to this length may come byte by byte. */
const MAX_DRIBBLE_BYTES = 400

/** The bytes of an input for a list of stages. */
export function inputOf(
  list: readonly StageChoice[],
  all: readonly Item[],
  wrong: readonly Mistake[],
): Buffer {
  const parts: Buffer[] = []
  let run: Buffer[] = []
  const endRun = () => {
    if (run.length > 0) parts.push(encoded(list, run))
    run = []
  }
  for (const { bytes, fits } of all) {
    if (fits) run.push(bytes)
    else {
      endRun()
      parts.push(bytes)
    }
  }
  endRun()
  const input = wrong.reduce(broken, Buffer.concat(parts))
  return input.subarray(0, MAX_INPUT_BYTES)
}

/** The input in chunks. */
export function cutInto(input: Buffer, places: readonly number[] | 'every'): Buffer[] {
  const every = places === 'every' && input.length <= MAX_DRIBBLE_BYTES
  const chosen = places === 'every' ? [] : places.map(place => place % (input.length + 1))
  const all = every ? Array.from(input, (_, index) => index) : chosen.sort((one, other) => one - other)
  const bounds = [0, ...all, input.length]
  return bounds
    .slice(1)
    .map((end, index) => input.subarray(bounds[index], end))
    .filter(({ length }) => length > 0)
}

function broken(input: Buffer, { at, what }: Mistake): Buffer {
  if (input.length === 0) return input
  const place = at % input.length
  const [before, byte, behind] = [
    input.subarray(0, place),
    input.subarray(place, place + 1),
    input.subarray(place + 1),
  ]
  if (what === 'drop') return Buffer.concat([before, behind])
  if (what === 'double') return Buffer.concat([before, byte, byte, behind])
  return Buffer.concat([before, Buffer.of((byte[0] as number) ^ (1 << (at % 8))), behind])
}

/** Items in the encoding that the decoders of a list take, the last decoder first. */
function encoded(list: readonly StageChoice[], run: readonly Buffer[]): Buffer {
  const end = list.findIndex(([name]) => /^to[A-Z]|^gzip$/.test(name))
  const decoders = list.slice(0, end === -1 ? list.length : end).reverse()
  const parts = decoders.reduce((parts, [name, values]) => encodedFor(name, values, parts), run)
  return Buffer.concat(parts)
}

function encodedFor(name: string, values: StageChoice[1], parts: readonly Buffer[]): readonly Buffer[] {
  const whole = Buffer.concat(parts)
  const framed = (frame: (part: Buffer) => readonly Uint8Array[]) =>
    parts.map(part => Buffer.concat(frame(part)))
  switch (name) {
    case 'fromBase64':
      return [Buffer.from(whole.toString('base64'))]
    case 'fromHex':
      return [Buffer.from(whole.toString('hex'))]
    case 'gunzip':
      return [gzipSync(whole)]
    case 'lines':
      return framed(part => [part, Buffer.from(values.delimiter === '\r\n' ? '\r\n' : '\n')])
    case 'delimited':
      return framed(part => [part, Buffer.from([values.delimiters].flat()[0] as string)])
    case 'netstring':
      return framed(part => [Buffer.from(`${part.length}:`), part, Buffer.from(',')])
    case 'slip':
      return framed(part => [slipped(part), Buffer.of(0xc0)])
    case 'lengthPrefixed':
      return framed(part => [lengthOf(values, part.length), part])
    default:
      return parts
  }
}

function slipped(part: Buffer): Buffer {
  const ESCAPES: Readonly<Record<number, readonly number[]>> = { 192: [0xdb, 0xdc], 219: [0xdb, 0xdd] }
  return Buffer.from([...part].flatMap(byte => ESCAPES[byte] ?? byte))
}

/** The length of a frame as `lengthPrefixed` reads it; one that does not fit into its width is wrong. */
function lengthOf(values: StageChoice[1], length: number): Buffer {
  const width = (values.width ?? LENGTH_FIELD_OPTIONS.width.default) as LengthField['width']
  const {
    offset = 0,
    adjustment = 0,
    includesItself = false,
    order = 'big',
  } = values as Partial<LengthField> & {
    readonly offset?: number
  }
  const header = Buffer.alloc(offset, 0x2e)
  if (width === 'varint') return Buffer.concat([header, varint(Math.max(0, length - adjustment))])
  const counted = Math.max(0, length - adjustment + (includesItself ? width : 0))
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(counted))
  const field = bytes.subarray(0, width)
  return Buffer.concat([header, order === 'big' ? Buffer.from(field).reverse() : field])
}

function varint(length: number): Buffer {
  const bytes: number[] = []
  let remainder = length
  for (; remainder >= 0x80; remainder = Math.floor(remainder / 0x80)) bytes.push((remainder & 0x7f) | 0x80)
  return Buffer.from([...bytes, remainder])
}
