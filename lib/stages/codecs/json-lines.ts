import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import { choice, orFunction } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/** Gets a line that is no valid JSON, and what is wrong with it. */
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
 * Turns lines into values, one JSON text (RFC 8259) on each, as in JSON Lines (https://jsonlines.org) and NDJSON.
 * Stands behind `lines()`, whose `maxLength` (65,536 bytes by default) is the limit of a text.
 *
 * Not allowed is a line that is no JSON, also an empty one; `null`, since a value that flows between stages is never
 * null; and an object with a `__proto__` key, or with a `constructor` that has a `prototype`, at any depth and however
 * the key is escaped, since copying it may change the prototype of other objects.
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

class JsonTransformer implements Transformer<string, unknown> {
  readonly #invalid: InvalidPolicy
  readonly #connection: Connection

  constructor(invalid: InvalidPolicy, connection: Connection) {
    this.#invalid = invalid
    this.#connection = connection
  }

  /** What the function returns goes on to the engine, which refuses a promise. */
  transform(line: string, controller: Controller<unknown>): unknown {
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

/** What a line holds that needs a closer look; with a backslash, a key may be written in other letters. */
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
    // V8's own message quotes the line, which does not belong in a log or a farewell.
    throw new InvalidFrameError('jsonLines', 'the line is not JSON')
  }
}

/** With a list and not by recursion: a line may nest deeper than the stack. */
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
