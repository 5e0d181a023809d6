import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import { map, pureStage } from '../../stage.js'
import { markBigInt, unmarkBigInts } from './json-big-integers.js'

/**
 * Writes each value as one JSON text (RFC 8259): the encoder for `jsonLines()`. Takes values and emits lines, which
 * never contain a line feed or a carriage return. As in `JSON.stringify`, a property that is undefined is left out, and
 * `toJSON` is called. A BigInt is written as an integer, with all its digits.
 *
 * A value that JSON cannot represent fails the connection (outcome `stage-error`): a function, a cycle, NaN, Infinity, or
 * undefined in an array, and also `null` by itself, which `jsonLines()` refuses. So does one that nests too deep for
 * `JSON.stringify`, which are some thousand levels on Node 20 to 24.
 *
 * @example
 * pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
 */
export const toJsonLines = defineStage({
  name: 'toJsonLines',
  summary: 'writes each value as a JSON text on a line',
  accepts: 'value',
  emits: 'line',
  // A number may be longer than it came: 1e20 has 4 characters, and is written with 21.
  memory: { perByte: 21 / 4 },
  examples: ['lines | json-lines | to-json-lines | to-lines'],
  make: () =>
    pureStage(map<unknown, string>('toJsonLines', encode, { accepts: 'value', emits: 'line', asks: false })),
})

function encode(value: unknown): string {
  const text = stringify(value)
  if (text !== undefined && text !== 'null') return text
  throw new StageError('toJsonLines', `was given what JSON Lines cannot say: ${text ?? typeof value}.`)
}

function stringify(value: unknown): string | undefined {
  try {
    let text: string | undefined
    try {
      text = JSON.stringify(value)
    } catch {
      // It may have a BigInt, for which JSON.stringify throws.
      const marked: string | undefined = JSON.stringify(value, markWhole)
      return marked && unmarkBigInts(marked)
    }
    // JSON.stringify turns NaN, Infinity and some items of arrays into null. So where the text has a null, the value is
    // written again, with a replacer that throws for them.
    if (text?.includes('null')) JSON.stringify(value, markWhole)
    return text
  } catch (cause) {
    if (cause instanceof StageError) throw cause
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
    throw new StageError('toJsonLines', `was given what JSON cannot say: ${reason}.`, { cause })
  }
}

/**
 * Replacer for `JSON.stringify` that marks BigInts, and throws for what would become null. `this` is the object or array
 * with the item.
 */
function markWhole(this: unknown, _key: string, item: unknown): unknown {
  const isNoNumber = typeof item === 'number' && !Number.isFinite(item)
  if (isNoNumber || (Array.isArray(this) && ['undefined', 'function', 'symbol'].includes(typeof item))) {
    throw new StageError('toJsonLines', `was given what JSON cannot say: ${isNoNumber ? item : typeof item}.`)
  }
  return markBigInt(item)
}
