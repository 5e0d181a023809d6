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
  make: () => {
    const writer = new JsonWriter()
    return pureStage(
      map<unknown, string>('toJsonLines', value => writer.write(value), {
        accepts: 'value',
        emits: 'line',
        asks: false,
      }),
    )
  },
})

/** Values that are written with the replacer behind one that has a BigInt: to find that out costs an error each time. */
const VALUES_BEHIND_BIGINT = 64

/** Writes the values of one stage. */
class JsonWriter {
  /** Values that are still written with the replacer from the first. */
  #expectsBigInts = 0

  write(value: unknown): string {
    const text = this.#stringify(value)
    if (text !== undefined && text !== 'null') return text
    throw new StageError('toJsonLines', `was given what JSON Lines cannot say: ${text ?? typeof value}.`)
  }

  #stringify(value: unknown): string | undefined {
    try {
      const text = this.#expectsBigInts > 0 ? undefined : stringifyPlain(value)
      return text ?? this.#stringifyMarked(value)
    } catch (cause) {
      if (cause instanceof StageError) throw cause
      const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
      throw new StageError('toJsonLines', `was given what JSON cannot say: ${reason}.`, { cause })
    }
  }

  #stringifyMarked(value: unknown): string | undefined {
    const marked: string | undefined = JSON.stringify(value, markWhole)
    const text = marked && unmarkBigInts(marked)
    this.#expectsBigInts = text === marked ? Math.max(this.#expectsBigInts - 1, 0) : VALUES_BEHIND_BIGINT
    return text
  }
}

/** The text of a value; undefined where the replacer has to write it, or find out what is wrong with it. */
function stringifyPlain(value: unknown): string | undefined {
  try {
    const text: string | undefined = JSON.stringify(value)
    // JSON.stringify turns NaN, Infinity and some items of arrays into null.
    return text === undefined || (text.includes('null') && !isWhole(value)) ? undefined : text
  } catch {
    // It may have a BigInt, for which JSON.stringify throws.
    return undefined
  }
}

/** Whether a value is surely written without any null but its own. */
function isWhole(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return typeof value === 'string' || typeof value === 'boolean'
  if (value === null) return true
  if (Array.isArray(value)) return value.every(isWhole) && !value.includes(undefined)
  const prototype = Object.getPrototypeOf(value)
  if ((prototype !== Object.prototype && prototype !== null) || 'toJSON' in value) return false
  // A property that is undefined is left out.
  return Object.values(value).every(item => item === undefined || isWhole(item))
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
