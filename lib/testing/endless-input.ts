import { copyOf } from './copy.js'
import type { Subject } from './subject.js'

/** An input that could go on for ever: `head`, and then one byte or item again and again. */
export interface EndlessInput {
  readonly head: readonly unknown[]
  /** Makes so many bytes, as one chunk, or so many items. */
  readonly more: (amount: number) => unknown[]
  /** Items that may complete a frame that was begun. */
  readonly tail: readonly unknown[]
}

/** Bytes of content for most formats, and of large numbers in binary and in text. */
const USUAL_BYTES: readonly number[] = [0x61, 0xff, 0x7f, 0x39, 0x20, 0x00]
/** Places of the example, from its start, at which content may begin. */
const MAX_PLACES = 6
/** Bytes or items of the example that are tried. */
const MAX_OWN = 4

/**
 * Inputs that may never complete a frame: for bytes the beginnings of the example, and the example with its first number
 * made large, each with different bytes behind it; for other kinds each item of the example again and again.
 */
export function endlessInputs({ accepts, sample }: Subject): readonly EndlessInput[] {
  const { items, isFirst } = sample
  if (accepts !== 'bytes') {
    return items.slice(0, MAX_OWN).map((item, at) => ({
      head: items.slice(0, at),
      more: amount => Array.from({ length: amount }, () => copyOf(item)),
      tail: [...items.slice(at), ...items],
    }))
  }
  const [input] = items as [Buffer]
  const own = [...new Set(input)].slice(0, MAX_OWN)
  const inputs = [...new Set(isFirst ? [...USUAL_BYTES, ...own] : own)].map(byte =>
    endlessBytes(input, 0, byte),
  )
  for (let place = 1; place <= Math.min(input.length, MAX_PLACES); place++) {
    inputs.push(endlessBytes(input, place, 0x61), endlessBytes(input, place, 0xff))
  }
  const text = input.toString('latin1')
  const large = Buffer.from(text.replace(/\d+/, '999999999'), 'latin1')
  if (/\d/.test(text)) inputs.push(endlessBytes(large, large.length, 0x61))
  return inputs
}

function endlessBytes(input: Buffer, place: number, byte: number): EndlessInput {
  return {
    head: place === 0 ? [] : [input.subarray(0, place)],
    more: amount => [amount === 1 ? Buffer.of(byte) : Buffer.alloc(amount, byte)],
    tail: [input.subarray(place), input],
  }
}
