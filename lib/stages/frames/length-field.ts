import { InvalidFrameError } from '../../errors.js'
import { boolean, choice, integer } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { MAX_FRAME_BYTES } from './frame-options.js'

const MAX_OFFSET_BYTES = 65_535

/** The option `offset` of both; `help` says in whose words. */
export const offset = (help: string) =>
  integer({ unit: 'bytes', maximum: MAX_OFFSET_BYTES, default: 0, help })

/** Options that say how a length is written, for `lengthPrefixed()` and `toLengthPrefixed()`. */
export const LENGTH_FIELD_OPTIONS = {
  width: choice([1, 2, 3, 4, 8, 'varint'], {
    default: 4,
    help: 'how many bytes the length takes; varint is unsigned LEB128, as in Protocol Buffers',
  }),
  order: choice(['big', 'little'], {
    default: 'big',
    help: 'which of its bytes comes first, the highest or the lowest; a varint has no order',
  }),
  adjustment: integer({
    unit: 'bytes',
    minimum: -MAX_FRAME_BYTES,
    maximum: MAX_FRAME_BYTES,
    default: 0,
    help: 'what to add to the length to have the number of bytes behind it',
  }),
  includesItself: boolean({
    default: false,
    help: 'whether the length counts the bytes that it takes itself',
  }),
}

/** The most bytes that a varint takes. */
export const MAX_VARINT_BYTES = 10

/** The most bytes up to the end of a length. */
export const MAX_HEAD_BYTES = MAX_OFFSET_BYTES + MAX_VARINT_BYTES

/** The options of a length, as a caller gives them. */
export type LengthFieldOptions = OptionsOf<typeof LENGTH_FIELD_OPTIONS>

/** The options of a length, checked and with their defaults. */
export type LengthField = SettingsOf<typeof LENGTH_FIELD_OPTIONS>

/** Number of bytes that a length takes. */
export function lengthSize(width: LengthField['width'], length: number): number {
  if (width !== 'varint') return width
  let size = 1
  for (let remainder = length; remainder >= 0x80; remainder = Math.floor(remainder / 0x80)) size++
  return size
}

/**
 * Reads the length that begins at `at`; undefined when it does not end before `end`, so that more bytes are needed.
 *
 * @throws InvalidFrameError for a length over 2^53 - 1, and for a varint with more bytes than it needs.
 */
export function readLength(
  stage: string,
  { width, order }: LengthField,
  bytes: Buffer,
  at: number,
  end: number,
): number | undefined {
  if (width === 'varint') return readVarint(stage, bytes, at, end)
  if (end - at < width) return undefined
  if (width < 8) return order === 'big' ? bytes.readUIntBE(at, width) : bytes.readUIntLE(at, width)
  const high = order === 'big' ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at + 4)
  const low = order === 'big' ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at)
  return checkSafe(stage, high * 0x1_0000_0000 + low)
}

function readVarint(stage: string, bytes: Buffer, at: number, end: number): number | undefined {
  let value = 0
  for (let index = 0; at + index < end; index++) {
    const byte = bytes[at + index] as number
    if (index === 9 && byte > 1) throw new InvalidFrameError(stage, 'the length is over 64 bits')
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte >= 0x80) continue
    // Protocol Buffers' own decoders accept it, but then one length has several encodings, and whoever compares or
    // filters the bytes can be deceived.
    if (byte === 0 && index > 0) throw new InvalidFrameError(stage, 'the length has more bytes than it needs')
    return checkSafe(stage, value)
  }
  return undefined
}

function checkSafe(stage: string, length: number): number {
  if (length > Number.MAX_SAFE_INTEGER) throw new InvalidFrameError(stage, 'the length is over 2^53 - 1')
  return length
}

/** Writes a length to `bytes` from `from` on, where there is room for it (`lengthSize()`). */
export function writeLength(
  { width, order }: LengthField,
  bytes: Buffer,
  from: number,
  length: number,
): void {
  if (width === 'varint') {
    let remainder = length
    let at = from
    for (; remainder >= 0x80; remainder = Math.floor(remainder / 0x80))
      bytes[at++] = (remainder % 0x80) + 0x80
    bytes[at] = remainder
  } else if (width === 8) {
    const high = Math.floor(length / 0x1_0000_0000)
    const low = length % 0x1_0000_0000
    if (order === 'big') bytes.writeUInt32BE(low, bytes.writeUInt32BE(high, from))
    else bytes.writeUInt32LE(high, bytes.writeUInt32LE(low, from))
  } else if (order === 'big') bytes.writeUIntBE(length, from, width)
  else bytes.writeUIntLE(length, from, width)
}
