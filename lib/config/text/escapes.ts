import { isUtf8 } from 'node:buffer'
import { escapeOf, printable } from '../../printable.js'

const NAMED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', '\\': '\\' }

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|(.?))/gs

/**
 * Gives the bytes of a text that may hold escapes: `\n`, `\r`, `\t`, `\0`, `\\`, and `\xHH`, which is one byte.
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

/** The opposite: text on one line, without control characters, that `unescapeBytes` turns into the same bytes. */
export function escapeBytes(bytes: string | Uint8Array): string {
  const buffer = Buffer.from(bytes as Uint8Array)
  if (!isUtf8(buffer)) return printable(buffer)
  return buffer.toString().replace(/\\|\p{C}|\p{Zl}|\p{Zp}/gu, character => escapeOf(character, 'utf8'))
}
