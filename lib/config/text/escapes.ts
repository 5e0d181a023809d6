import { isUtf8 } from 'node:buffer'
import { escapeOf, printable } from '../../options/printable.js'

/** The characters of the escapes of one letter. */
const NAMED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', '\\': '\\' }

/** An escape, also one that does not exist. */
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|(.?))/gs

/**
 * Turns a text with escapes into bytes. The escapes are `\n`, `\r`, `\t`, `\0`, `\\`, and `\xHH`, which is one byte.
 *
 * @throws Error that names an escape which is none of these.
 */
export function unescapeBytes(text: string): Buffer {
  const parts: Buffer[] = []
  let from = 0
  for (const { 0: written, 1: byte, 2: letter = '', index } of text.matchAll(ESCAPE)) {
    const character = byte === undefined ? NAMED[letter] : String.fromCharCode(Number.parseInt(byte, 16))
    if (character === undefined) throw new Error(`'${written}' is no escape`)
    parts.push(Buffer.from(text.slice(from, index)), Buffer.from(character, 'latin1'))
    from = index + written.length
  }
  return Buffer.concat([...parts, Buffer.from(text.slice(from))])
}

/** Writes bytes as one line without control characters, which `unescapeBytes` turns into the same bytes again. */
export function escapeBytes(bytes: string | Uint8Array): string {
  const buffer = Buffer.from(bytes as Uint8Array)
  if (!isUtf8(buffer)) return printable(buffer)
  return buffer.toString().replace(/\\|\p{C}|\p{Zl}|\p{Zp}/gu, character => escapeOf(character, 'utf8'))
}
