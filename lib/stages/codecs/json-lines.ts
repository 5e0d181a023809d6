import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import { choice, orFunction } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/** Called with a line that is not allowed, and the error that says why. */
export type InvalidLine = (line: string, error: InvalidFrameError, connection: Connection) => void

const OPTIONS = {
  invalid: orFunction<InvalidLine, 'error' | 'report' | 'skip', 'default'>(
    choice(['error', 'report', 'skip'], {
      default: 'error',
      help: 'what happens to a line that is not allowed: it ends the connection behind the values before it, goes to onError and is left out, or is left out without a word; a function is called with it, which is left out then too',
    }),
    '(line, error, connection) => void',
  ),
}

/** Options of `jsonLines()`. */
export type JsonLinesOptions = OptionsOf<typeof OPTIONS>

/**
 * Parses each line as one JSON text (RFC 8259), as in JSON Lines (https://jsonlines.org) and NDJSON. Takes lines and
 * emits values. `toJsonLines()` is the encoder. Stands behind `lines()`, whose `maxLength` (65,536 bytes by default)
 * limits a text.
 *
 * Three sorts of lines are not allowed: a line that is not JSON, such as an empty one; `null`, since a value between
 * two stages is never null; and an object with a `__proto__` key, or with a `constructor` that has a `prototype`, at
 * any depth and however the key is escaped, since copying such an object may change the prototype of others. `invalid`
 * says what happens to such a line.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `invalid: 'error'`.
 * @example
 * pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
 */
export const jsonLines: StageFactory<(options?: JsonLinesOptions) => TransformerStage<string, unknown>> =
  defineStage({
    name: 'jsonLines',
    summary: 'reads a JSON text from each line',
    accepts: 'line',
    emits: 'value',
    options: OPTIONS,
    examples: ['lines | json-lines --invalid report | to-json-lines | to-lines'],
    make: ({ invalid }) =>
      stage<string, unknown>({
        name: 'jsonLines',
        accepts: 'line',
        emits: 'value',
        open: connection => new JsonTransformer(invalid, connection),
      }),
  })

type InvalidPolicy = NonNullable<JsonLinesOptions['invalid']>

/** Decoder of one connection. */
class JsonTransformer implements Transformer<string, unknown> {
  readonly #invalid: InvalidPolicy
  readonly #connection: Connection

  constructor(invalid: InvalidPolicy, connection: Connection) {
    this.#invalid = invalid
    this.#connection = connection
  }

  /** Returns what the function of `invalid` returns, so that the engine can refuse a promise. */
  transform(line: string, controller: Controller<unknown>): void | PromiseLike<void> {
    let value: unknown
    try {
      value = parse(line)
    } catch (error) {
      const invalid = this.#invalid
      if (invalid === 'error') throw error
      if (invalid === 'report') controller.report(error as InvalidFrameError)
      return typeof invalid === 'function'
        ? invalid(line, error as InvalidFrameError, this.#connection)
        : undefined
    }
    return controller.enqueue(value)
  }
}

/** Pattern in every line with a key that is not allowed, and in some without: `\u` may escape any letter of a key. */
const POSSIBLE_PROTOTYPE_KEY = /__proto__|constructor|\\u/

function parse(line: string): unknown {
  const value = parseJson(line)
  if (value === null) throw new InvalidFrameError('jsonLines', 'the line is null')
  if (POSSIBLE_PROTOTYPE_KEY.test(line)) refusePrototypes(value)
  return value
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // V8's own message quotes the line, which belongs neither in a log nor in what the client is told.
    throw new InvalidFrameError('jsonLines', 'the line is not JSON')
  }
}

/** Throws for a key that is not allowed, at any depth. No recursion: a line may nest deeper than the stack. */
function refusePrototypes(value: unknown): void {
  const pending = [value]
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    if (typeof item !== 'object' || item === null) continue
    if (Object.hasOwn(item, '__proto__')) refuse("it has a '__proto__' key")
    const inner = Object.hasOwn(item, 'constructor') && item.constructor
    if (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) {
      refuse("it has a 'constructor' with a 'prototype'")
    }
    for (const each of Object.values(item)) pending.push(each)
  }
}

function refuse(what: string): never {
  throw new InvalidFrameError('jsonLines', what)
}
