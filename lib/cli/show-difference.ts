import { isUtf8 } from 'node:buffer'
import { structuredPatch } from 'diff'

/** How a line of a difference is marked. */
export type Mark = ' ' | '-' | '+'

/** Beyond so many changed lines a difference is not readable, and takes long to find. */
const MOST_CHANGES = 2000

/** What is not printed as it is: it would move the text around it, or not be seen. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\\]/gu

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/**
 * The lines in which two values differ, with those around them, as a patch: a minus before what was expected, a plus
 * before what came. Text is shown line by line, with `\n` where a line ends, other bytes in rows of 16.
 */
export function difference(expected: Buffer, received: Buffer): readonly [Mark, string][] {
  const isText = isUtf8(expected) && isUtf8(received)
  const [before, after] = [expected, received].map(bytes => `${rows(bytes, isText).join('\n')}\n`) as [
    string,
    string,
  ]
  const patch = structuredPatch('', '', before, after, '', '', { context: 3, maxEditLength: MOST_CHANGES })
  if (patch === undefined) {
    return [
      ['-', `${expected.length} bytes`],
      ['+', `${received.length} other bytes`],
    ]
  }
  return patch.hunks.flatMap(({ lines, oldStart }, index): [Mark, string][] => [
    ...(index > 0 || oldStart > 1 ? [[' ', '…'] as [Mark, string]] : []),
    ...lines.map((line): [Mark, string] => [line[0] as Mark, line.slice(1)]),
  ])
}

function rows(bytes: Buffer, isText: boolean): string[] {
  if (bytes.length === 0) return ['(nothing)']
  if (isText)
    return bytes
      .toString()
      .split(/(?<=\n)/)
      .map(visible)
  return (bytes.toString('hex').match(/.{1,32}/g) as string[]).map(row => row.replace(/..(?=.)/g, '$& '))
}

/** A text without characters that a terminal obeys. */
export function visible(text: string): string {
  return text.replace(
    INVISIBLE,
    character => ESCAPES[character] ?? `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  )
}
