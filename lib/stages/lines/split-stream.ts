import { isUtf8 } from 'node:buffer'
import type { Duplex, Transform, TransformCallback } from 'node:stream'
import { refuseInvalid } from './exact-lines.js'
import type { LineBlocks, Reporter } from './line-blocks.js'
import type { LineRules } from './line-rules.js'

let split2: typeof import('split2') | undefined

/** Loads split2, which only the streams need. An import, and no `require`, is what a bundler follows. */
export async function loadSplit2(): Promise<void> {
  split2 ??= (await import('split2')).default
}

/**
 * The stream of `lines()` for one connection on plan `streams`: split2, with `LineBlocks` in front of it. split2 alone
 * limits only the unfinished line, and in UTF-16 units, searches an unfinished line again with each chunk, and replaces
 * bytes that are not UTF-8. So it is given blocks of complete lines within the limit, as latin1 text; its mapper
 * decodes each line, and puts back the delimiter where that is kept.
 *
 * @param fail - Ends the connection with an error, behind what the stream has emitted.
 */
export function splitStream(
  blocks: LineBlocks,
  rules: LineRules,
  fail: (error: unknown) => void,
  reporter: Reporter,
): Duplex {
  const { delimiter, encoding, keep, isStrict } = rules
  const strictCrlf = delimiter === '\r\n'
  // With `keep` and '\r?\n' split2 splits at LF, so that a CR stays in the line.
  const matcher = strictCrlf ? '\r\n' : keep || delimiter === '\n' ? '\n' : /\r?\n/
  const keptDelimiter = keep ? (strictCrlf ? '\r\n' : '\n') : ''
  let decodeError: unknown
  const decode = (line: string) => {
    if (encoding === 'latin1') return line
    const bytes = Buffer.from(line, 'latin1')
    if (!isStrict || isUtf8(bytes)) return bytes.toString()
    refuseInvalid(rules, reporter)
    return undefined
  }
  const decodeWhole = (line: string) => {
    if (decodeError !== undefined) return undefined
    try {
      return decode(line + keptDelimiter)
    } catch (error) {
      // Thrown here, split2 would make it an 'error' event, and what waits in the stream's buffer would be lost.
      decodeError = error
      return undefined
    }
  }
  const split = split2 as NonNullable<typeof split2>
  const stream: Transform = split(matcher, decodeWhole, {
    decodeStrings: false,
    writableHighWaterMark: 1,
    readableHighWaterMark: 16,
  })
  const splitTransform = stream._transform
  const splitFlush = stream._flush
  const splitLines = (block: Buffer) => {
    splitTransform.call(stream, block.toString('latin1'), 'latin1', () => {})
    if (decodeError !== undefined) throw decodeError
  }

  // The engine asks a stream as it asks a transformer.
  Object.assign(stream, { unfinished: () => blocks.unfinished() })
  stream._transform = (chunk: Buffer, _encoding: string, callback: TransformCallback) => {
    try {
      blocks.push(chunk, splitLines, reporter)
    } catch (error) {
      fail(error)
    }
    callback()
  }
  stream._flush = callback => {
    try {
      const lastLine = blocks.end(reporter)
      // split2 would leave out a last line that is empty, which it also is when `truncate` has left nothing of it.
      const line = lastLine && decode(lastLine.toString('latin1'))
      if (line !== undefined) stream.push(line)
    } catch (error) {
      fail(error)
    }
    splitFlush.call(stream, callback)
  }
  return stream
}
