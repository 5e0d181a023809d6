import { createRequire } from 'node:module'
import type { Duplex, Transform, TransformCallback } from 'node:stream'
import type split2 from 'split2'
import type { LineBlocks, LineRules } from './line-blocks.js'

// Loaded by the first stream: a fused plan has no use for it.
const require = createRequire(import.meta.url)

/**
 * split2 behind a guard. split2 alone limits only the unfinished line, in UTF-16 units, searches an unfinished line
 * again with each chunk, and replaces bytes that are not UTF-8. So it gets blocks of complete lines within the limit,
 * as latin1 text, and a line is decoded behind it.
 */
export function splitStream(
  blocks: LineBlocks,
  { delimiter, encoding }: LineRules,
  fail: (error: unknown) => void,
): Duplex {
  const decode = (line: string) =>
    encoding === 'latin1' ? line : Buffer.from(line, 'latin1').toString(encoding)
  const split = require('split2') as typeof split2
  const stream: Transform = split(delimiter === '\n' ? '\n' : /\r?\n/, decode, {
    decodeStrings: false,
    readableHighWaterMark: 16,
  })
  const splitBlock = stream._transform
  const splitRest = stream._flush
  const feed = (block: Buffer) => splitBlock.call(stream, block.toString('latin1'), 'latin1', () => {})

  stream._transform = (chunk: Buffer, _encoding: string, callback: TransformCallback) => {
    try {
      blocks.push(chunk, feed)
    } catch (error) {
      fail(error)
    }
    callback()
  }
  stream._flush = callback => {
    try {
      const rest = blocks.end()
      // Not through split2, which leaves out an empty last line, also one that `truncate` left empty.
      if (rest !== undefined) stream.push(decode(rest.toString('latin1')))
    } catch (error) {
      fail(error)
    }
    splitRest.call(stream, callback)
  }
  return stream
}
