import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import { map } from '../../stage.js'

/**
 * Turns values into lines, one JSON text (RFC 8259) on each: the counterpart of `jsonLines()`. A line never holds a line
 * feed or a carriage return. As in `JSON.stringify`, a property that is undefined is left out, and `toJSON` is called.
 *
 * A value that JSON cannot say fails the connection (outcome `stage-error`): a BigInt, a function, a cycle, NaN or
 * Infinity, or undefined in an array, and `null` by itself, which `jsonLines()` refuses.
 *
 * @example
 * pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
 */
export const toJsonLines = defineStage({
  name: 'toJsonLines',
  summary: 'writes each value as a JSON text on a line',
  accepts: 'value',
  emits: 'line',
  examples: ['lines | json-lines | to-json-lines | to-lines'],
  make: () => map<unknown, string>('toJsonLines', encode, { accepts: 'value', emits: 'line', asks: false }),
})

function encode(value: unknown): string {
  const text = stringify(value)
  // Where null comes out, something else may have gone in.
  if (text?.includes('null')) stringify(value, refuseLoss)
  if (text !== undefined && text !== 'null') return text
  throw new StageError('toJsonLines', `was given what JSON Lines cannot say: ${text ?? typeof value}.`)
}

function stringify(value: unknown, replacer?: typeof refuseLoss): string | undefined {
  try {
    return JSON.stringify(value, replacer)
  } catch (cause) {
    if (cause instanceof StageError) throw cause
    const reason = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause)
    throw new StageError('toJsonLines', `was given what JSON cannot say: ${reason}.`, { cause })
  }
}

/** Called with what contains each item as `this`. */
function refuseLoss(this: unknown, _key: string, item: unknown): unknown {
  const isNoNumber = typeof item === 'number' && !Number.isFinite(item)
  if (isNoNumber || (Array.isArray(this) && ['undefined', 'function', 'symbol'].includes(typeof item))) {
    throw new StageError('toJsonLines', `was given what JSON cannot say: ${isNoNumber ? item : typeof item}.`)
  }
  return item
}
