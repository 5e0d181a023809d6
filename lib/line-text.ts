import { isAscii } from 'node:buffer'
import type { LineEncoding } from './block-role.js'

/** From this length on, a look at what a text is made of costs less than it saves. */
const MIN_CHECKED_LENGTH = 1_024

/** Makes text of bytes; bytes that are not UTF-8 become U+FFFD. */
export function decodeText(bytes: Buffer, encoding: LineEncoding): string {
  return bytes.toString(
    encoding === 'utf8' && bytes.length >= MIN_CHECKED_LENGTH && isAscii(bytes) ? 'latin1' : encoding,
  )
}

/** Makes bytes of text. */
export function encodeText(text: string, encoding: LineEncoding): Buffer {
  const { length } = text
  if (encoding !== 'utf8' || length < MIN_CHECKED_LENGTH) return Buffer.from(text, encoding)
  // ASCII has one byte for each character and is copied; there is room to see that there is more to write.
  const bytes = Buffer.allocUnsafeSlow(length + 4)
  const written = bytes.write(text)
  return written === length ? bytes.subarray(0, length) : Buffer.from(text)
}
