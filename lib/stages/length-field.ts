import { checkBoolean, checkChoice, checkInteger } from '../check-option.js'
import { InvalidFrameError, InvalidOptionError } from '../errors.js'
import { LARGEST_FRAME } from './unfinished-frame.js'

/** How a length is written; what `lengthPrefixed()` and `prefixLength()` have in common. */
export interface LengthFieldOptions {
  /** How many bytes the length takes, or `'varint'`: unsigned LEB128, as in Protocol Buffers. @default 4 */
  readonly width?: 1 | 2 | 3 | 4 | 8 | 'varint'
  /** Which of its bytes comes first, the highest (`big`) or the lowest; a varint has no order. @default 'big' */
  readonly order?: 'big' | 'little'
  /** What to add to the length to have the number of bytes behind it, from -268435456 to 268435456. @default 0 */
  readonly adjustment?: number
  /** Whether the length counts the bytes that it takes itself. @default false */
  readonly includesItself?: boolean
}

export type LengthField = Required<LengthFieldOptions>

export const LENGTH_FIELD_NAMES = ['width', 'order', 'adjustment', 'includesItself'] as const

const WIDTHS: readonly unknown[] = [1, 2, 3, 4, 8, 'varint']

export function lengthField(owner: string, options: LengthFieldOptions): LengthField {
  const { width = 4, order = 'big', adjustment = 0, includesItself = false } = options
  if (!WIDTHS.includes(width)) {
    throw new InvalidOptionError(`${owner}: 'width' is one of 1, 2, 3, 4, 8, "varint"; got ${String(width)}.`)
  }
  checkChoice(owner, 'order', order, ['big', 'little'])
  checkInteger(owner, 'adjustment', adjustment, -LARGEST_FRAME, LARGEST_FRAME)
  checkBoolean(owner, 'includesItself', includesItself)
  return { width, order, adjustment, includesItself }
}

/** How many bytes a length takes. */
export function lengthSize(width: LengthField['width'], length: number): number {
  if (width !== 'varint') return width
  let size = 1
  for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Reads a length; undefined when `end` comes before its own. */
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
    // Protocol Buffers' own decoders take it, but then a length has many encodings, and a check of bytes is fooled.
    if (byte === 0 && index > 0) throw new InvalidFrameError(stage, 'the length has more bytes than it needs')
    return checkSafe(stage, value)
  }
  return undefined
}

function checkSafe(stage: string, length: number): number {
  if (length > Number.MAX_SAFE_INTEGER) throw new InvalidFrameError(stage, 'the length is over 2^53 - 1')
  return length
}

export function writeLength({ width, order }: LengthField, bytes: Buffer, length: number): void {
  if (width === 'varint') {
    let rest = length
    let at = 0
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) + 0x80
    bytes[at] = rest
  } else if (width === 8) {
    const high = Math.floor(length / 0x1_0000_0000)
    const low = length % 0x1_0000_0000
    if (order === 'big') bytes.writeUInt32BE(low, bytes.writeUInt32BE(high))
    else bytes.writeUInt32LE(high, bytes.writeUInt32LE(low))
  } else if (order === 'big') bytes.writeUIntBE(length, 0, width)
  else bytes.writeUIntLE(length, 0, width)
}
