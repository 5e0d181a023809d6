import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { map, pureStage } from '../../stage.js'

/**
 * Writes each frame with its length in front, as in `5 <1>ab`: the octet counting of syslog over TCP (RFC 6587), and the encoder
 * for `octetCounted()`. Takes frames and emits one chunk for each. An empty frame fails the connection (outcome `stage-error`),
 * since a message of syslog has at least one byte.
 *
 * @example
 * pipeline().through(octetCounted()).through(toOctetCounted())
 */
export const toOctetCounted = defineStage({
  name: 'toOctetCounted',
  summary: 'writes each frame with its length in front, as syslog does, RFC 6587',
  accepts: 'frame',
  emits: 'bytes',
  isProposed: false,
  // The length has one digit more for each tenfold.
  memory: { perByte: 1.1, perItem: 2 },
  examples: ['octet-counted | to-octet-counted'],
  make: () =>
    pureStage(
      map<Frame, Buffer>('toOctetCounted', encode, { accepts: 'frame', emits: 'bytes', asks: false }),
    ),
})

function encode(frame: Frame): Buffer {
  if (frame.length === 0)
    throw new StageError('toOctetCounted', 'was given an empty frame, which syslog does not have.')
  const header = `${frame.length} `
  const encoded = Buffer.allocUnsafe(header.length + frame.length)
  encoded.write(header, 'latin1')
  encoded.set(frame, header.length)
  return encoded
}
