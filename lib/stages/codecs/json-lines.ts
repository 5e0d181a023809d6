import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import { choice, integer, orFunction } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'
import { markBigIntegers, restoreBigIntegers } from './json-big-integers.js'
import { mayExceed, mayHaveBigInteger, NOT_JSON, type Scanned, scan } from './json-scan.js'

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
  maxDepth: integer({
    minimum: 1,
    maximum: 1_000,
    default: 512,
    help: 'how deep arrays and objects may nest; a line that nests deeper is not allowed',
  }),
  bigIntegers: choice(['round', 'refuse', 'text', 'bigint'], {
    default: 'round',
    help: 'what becomes of an integer beyond 2^53 - 1, which a number does not hold exactly: it is rounded as by JSON.parse, its line is not allowed, or it becomes a string or a BigInt with all its digits',
  }),
}

/** Options of `jsonLines()`. */
export type JsonLinesOptions = OptionsOf<typeof OPTIONS>

/** The type of `jsonLines()`: nothing checks that the values are of a type that is named. */
type JsonLines = StageFactory<
  <Value = unknown>(options?: JsonLinesOptions) => TransformerStage<string, Value>
>

/**
 * Parses each line as one JSON text (RFC 8259), as in JSON Lines (https://jsonlines.org) and NDJSON. Takes lines and
 * emits values. `toJsonLines()` is the encoder. Stands behind `lines()`, whose `maxLength` (65,536 bytes by default)
 * limits a text.
 *
 * These lines are not allowed, and `invalid` says what happens to them:
 *
 * - a line that is not JSON, such as an empty one
 * - `null`, since a value between two stages is never null
 * - an object with a `__proto__` key, or with a `constructor` that has a `prototype`, at any depth and however the key
 *   is escaped, since copying such an object may change the prototype of others
 * - a number beyond those of a double, such as `1e400`, which JSON cannot say again
 * - arrays and objects nested deeper than `maxDepth`, which may overflow the stack of whoever walks through them
 *
 * Numbers are doubles. So an integer beyond 2^53 - 1 is rounded, and other digits come out than came in, unless
 * `bigIntegers` says otherwise; it concerns integers that are written without a fraction and an exponent. Of a key that
 * an object has twice, the last value counts.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `invalid: 'error'`.
 * @example
 * pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
 */
export const jsonLines: JsonLines = defineStage({
  name: 'jsonLines',
  summary: 'reads a JSON text from each line',
  accepts: 'line',
  emits: 'value',
  memory: {},
  options: OPTIONS,
  examples: ['lines | json-lines --invalid report | to-json-lines | to-lines'],
  make: settings =>
    stage<string, unknown>({
      name: 'jsonLines',
      accepts: 'line',
      emits: 'value',
      open: connection => new JsonTransformer(settings, connection),
    }),
}) as JsonLines

/** Length up to which a line is scanned before it is parsed, once another one was no JSON: the exception costs more. */
const MAX_SCANNED_LENGTH = 256

/** Decoder of one connection. */
class JsonTransformer implements Transformer<string, unknown> {
  readonly #settings: SettingsOf<typeof OPTIONS>
  readonly #connection: Connection
  /** Whether a line was no JSON. */
  #hasFailed = false

  constructor(settings: SettingsOf<typeof OPTIONS>, connection: Connection) {
    this.#settings = settings
    this.#connection = connection
  }

  /** Returns what the function of `invalid` returns, so that the engine waits for a promise. */
  transform(line: string, controller: Controller<unknown>): void | PromiseLike<void> {
    const read = this.#read(line)
    return read instanceof Refusal ? this.#refuse(line, read.what, controller) : controller.enqueue(read)
  }

  #refuse(line: string, what: string, controller: Controller<unknown>): void | PromiseLike<void> {
    const { invalid } = this.#settings
    if (invalid === 'skip') return undefined
    const error = () => new InvalidFrameError('jsonLines', what)
    if (invalid === 'report') return controller.report(error)
    if (invalid === 'error') throw error()
    return invalid(line, error(), this.#connection)
  }

  /** The value of a line, or why it is not allowed. */
  #read(line: string): unknown {
    const scanned = this.#scan(line)
    if (scanned?.fault !== undefined) return new Refusal(scanned.fault)
    const value = this.#parse(line, scanned)
    if (value === null) return new Refusal('the line is null')
    const fault = POSSIBLE_PROTOTYPE_KEY.test(line) ? prototypeFault(value) : undefined
    return fault === undefined ? value : new Refusal(fault)
  }

  /** Scans a line that may be beyond a limit, or no JSON. */
  #scan(line: string): Scanned | undefined {
    const { maxDepth, bigIntegers } = this.#settings
    const isSuspect =
      (this.#hasFailed && line.length <= MAX_SCANNED_LENGTH) ||
      mayExceed(line, maxDepth) ||
      (bigIntegers !== 'round' && mayHaveBigInteger(line))
    return isSuspect ? scan(line, maxDepth) : undefined
  }

  #parse(line: string, scanned: Scanned | undefined): unknown {
    const { bigIntegers } = this.#settings
    if (scanned !== undefined && scanned.bigIntegers.length > 0 && bigIntegers !== 'round') {
      if (bigIntegers === 'refuse') return new Refusal('it has an integer beyond 2^53')
      return restoreBigIntegers(markBigIntegers(line, scanned.bigIntegers), bigIntegers)
    }
    try {
      return JSON.parse(line)
    } catch {
      // V8's own message quotes the line, which belongs neither in a log nor in what the client is told.
      this.#hasFailed = true
      return new Refusal(NOT_JSON)
    }
  }
}

/** The reason why a line is not allowed. */
class Refusal {
  readonly what: string

  constructor(what: string) {
    this.what = what
  }
}

/** Pattern in every line with a key that is not allowed, and in some without: `\u` may escape any letter of a key. */
const POSSIBLE_PROTOTYPE_KEY = /__proto__|constructor|\\u/

/** The fault of a value with a key that is not allowed, at any depth. */
function prototypeFault(value: unknown): string | undefined {
  const pending = [value]
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    if (typeof item !== 'object' || item === null) continue
    if (Object.hasOwn(item, '__proto__')) return "it has a '__proto__' key"
    const inner = Object.hasOwn(item, 'constructor') && item.constructor
    if (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) {
      return "it has a 'constructor' with a 'prototype'"
    }
    for (const each of Object.values(item)) pending.push(each)
  }
  return undefined
}
