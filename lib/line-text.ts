import { isAscii } from 'node:buffer'
import type { LineEncoding } from './block-role.js'

/** Bytes or characters from which on a check for ASCII costs less than the faster conversion saves. */
const MIN_CHECKED_LENGTH = 1_024

/** Decodes bytes. With `utf8`, bytes that are not UTF-8 become U+FFFD. */
export function decodeText(bytes: Buffer, encoding: LineEncoding): string {
  return bytes.toString(
    encoding === 'utf8' && bytes.length >= MIN_CHECKED_LENGTH && isAscii(bytes) ? 'latin1' : encoding,
  )
}

/** Encodes text. */
export function encodeText(text: string, encoding: LineEncoding): Buffer {
  const { length } = text
  if (encoding !== 'utf8' || length < MIN_CHECKED_LENGTH) return Buffer.from(text, encoding)
  // ASCII text takes `length` bytes. Other text takes more, and since no character takes more than 4, the 4 spare bytes
  // make sure that more than `length` are written then.
  const bytes = Buffer.allocUnsafeSlow(length + 4)
  const written = bytes.write(text)
  return written === length ? bytes.subarray(0, length) : Buffer.from(text)
}
