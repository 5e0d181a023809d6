import type { Frame } from '../kind.js'
import { map, type TransformerStage } from '../stage.js'

const COMMA = Buffer.from(',')

/**
 * Turns frames into netstrings, `5:hello,`, each as one chunk: the counterpart of `netstring()`
 * (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt).
 *
 * @example
 * pipeline().through(netstring()).through(toNetstring())
 */
export function toNetstring(): TransformerStage<Frame, Buffer> {
  const encode = (frame: Frame): Buffer => Buffer.concat([Buffer.from(`${frame.length}:`), frame, COMMA])
  return map<Frame, Buffer>('toNetstring', encode, { accepts: 'frame', emits: 'bytes' })
}
