import { isUtf8 } from 'node:buffer'
import { createRequire } from 'node:module'
import type { Duplex, Transform, TransformCallback } from 'node:stream'
import type split2 from 'split2'
import { refuseInvalid } from './exact-lines.js'
import type { LineBlocks, Reporter } from './line-blocks.js'
import type { LineRules } from './line-rules.js'

// Loaded by the first stream: a fused plan has no use for it.
const require = createRequire(import.meta.url)

/**
 * split2 behind a guard. split2 alone limits only the unfinished line, in UTF-16 units, searches an unfinished line
 * again with each chunk, and replaces bytes that are not UTF-8. So it gets blocks of complete lines within the limit,
 * as latin1 text, and a line is decoded behind it. A delimiter that is kept is put back there.
 */
export function splitStream(
  blocks: LineBlocks,
  rules: LineRules,
  fail: (error: unknown) => void,
  reporter: Reporter,
): Duplex {
  const { delimiter, encoding, keep, isStrict } = rules
  const strictCrlf = delimiter === '\r\n'
  // To keep '\r?\n' as it came, the CR is content.
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
      // split2 would make it an 'error' event, which loses what waits in the stream's buffer.
      decodeError = error
      return undefined
    }
  }
  const split = require('split2') as typeof split2
  const stream: Transform = split(matcher, decodeWhole, {
    decodeStrings: false,
    readableHighWaterMark: 16,
  })
  const splitTransform = stream._transform
  const splitFlush = stream._flush
  const splitLines = (block: Buffer) => {
    splitTransform.call(stream, block.toString('latin1'), 'latin1', () => {})
    if (decodeError !== undefined) throw decodeError
  }

  // What a transformer says with a method of this name.
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
      // Not through split2, which leaves out an empty last line, also one that `truncate` left empty.
      const line = lastLine && decode(lastLine.toString('latin1'))
      if (line !== undefined) stream.push(line)
    } catch (error) {
      fail(error)
    }
    splitFlush.call(stream, callback)
  }
  return stream
}
