import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import { boolean, choice, integer } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import type { TransformerStage } from '../../stage.js'
import { DECODE_OPTIONS, decode } from '../functions/decode.js'
import type { FrameReader } from '../functions/frame-reader.js'
import { splitInlineCommand } from './inline-command.js'
import { RespError, type RespValue, respNull } from './resp-value.js'

const OPTIONS = {
  bulk: choice(['text', 'buffer'], {
    default: 'text',
    help: 'what a bulk string becomes: text, where bytes that are not UTF-8 become U+FFFD, or a Buffer, which may be a view of a chunk: copy one that is kept for long',
  }),
  inline: boolean({
    default: true,
    help: 'whether a frame that begins with no type is an inline command, as a person types it, and becomes an array of its words; otherwise it ends the connection',
  }),
  maxDepth: integer({
    minimum: 1,
    maximum: 1_000,
    default: 32,
    help: 'how many arrays may stand in one another',
  }),
  maxElements: integer({
    minimum: 1,
    default: 65_536,
    help: 'how many elements all arrays of a frame may have together',
  }),
  ...DECODE_OPTIONS,
}

/** Options of `resp()`. */
export type RespOptions = OptionsOf<typeof OPTIONS>

type Settings = SettingsOf<typeof OPTIONS>

const SIMPLE = 0x2b
const ERROR = 0x2d
const INTEGER = 0x3a
const BULK = 0x24
const ARRAY = 0x2a
const LF = 0x0a
const TYPES: readonly number[] = [SIMPLE, ERROR, INTEGER, BULK, ARRAY]

const NON_ASCII = /[\x80-\xff]/

const INTEGER_TEXT = /^[+-]?\d{1,19}$/
const LENGTH_TEXT = /^(?:-1|\d{1,10})$/

/** An array that is not complete. */
interface OpenArray {
  readonly items: (RespValue | null)[]
  /** The number of elements that are still to come. */
  left: number
}

/**
 * Reads frames of RESP2, the protocol of Redis. Takes bytes and emits a `RespValue` for each: text for a simple string, text or a
 * Buffer for a bulk string, a number (or a bigint) for an integer, a `RespError` for an error, and an array. A null is `null` in
 * an array, and `respNull` by itself. `toResp()` is the encoder.
 *
 * A server gets commands: arrays of bulk strings, or inline commands such as `GET key`, whose words may stand in quotes as in
 * Redis; an empty one is left out. A client gets any value, and says `inline: false`.
 *
 * What breaks the rules ends the connection, since nothing then says where the next frame begins: a length that is no number,
 * a line without CR, more than `maxDepth` or `maxElements`. Memory is taken only for bytes that have arrived, whatever length
 * or number of elements the peer announces.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) for a frame over `maxLength`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for such a frame, and with `partial: 'error'`.
 * @example
 * const answer = map<RespValue, RespValue>('answer', command => ['PONG', command], { accepts: 'value', emits: 'value' })
 * pipeline().through(resp()).through(answer).through(toResp())
 */
export const resp: StageFactory<(options?: RespOptions) => TransformerStage<Buffer, RespValue>> = defineStage(
  {
    name: 'resp',
    summary: 'reads values of RESP2, the protocol of Redis',
    accepts: 'bytes',
    emits: 'value',
    isProposed: false,
    // The shortest are an inline command of one letter, and `+` with CR and LF; a byte has up to six characters in JSON.
    memory: ({ maxLength, inline }) => ({
      perByte: 6,
      itemsPerByte: inline ? 1 / 2 : 1 / 3,
      frame: maxLength,
    }),
    options: OPTIONS,
    examples: ['resp --bulk buffer | to-resp --strings simple', 'resp | to-json-lines | to-lines'],
    make: ({ maxLength, partial, ...settings }) =>
      decode('resp', 'value', read => readFrame(read, settings), { maxLength, partial, asks: false }),
  },
)

type Rules = Omit<Settings, keyof typeof DECODE_OPTIONS>

function* readFrame(read: FrameReader, rules: Rules): Generator<undefined, RespValue | undefined, undefined> {
  const { bulk, inline, maxDepth, maxElements } = rules
  let type: number | undefined = yield* read.uint8()
  if (!TYPES.includes(type)) {
    if (!inline) refuse('it begins with none of + - : $ *')
    if (type === LF) return undefined
    const rest = (yield* read.until('\n')).toString('latin1')
    return inlineCommand(String.fromCharCode(type) + rest, rules)
  }
  const open: OpenArray[] = []
  let elements = 0
  // The type of the frame is read by itself, and that of an element with its line.
  let from = 0
  for (;;) {
    const line = yield* read.until('\r\n')
    if (from === 1) type = line[0]
    let value: RespValue | null
    switch (type) {
      case SIMPLE:
        value = textOf(line, from)
        break
      case ERROR:
        value = new RespError(textOf(line, from))
        break
      case INTEGER:
        value = integerOf(line, from)
        break
      case BULK: {
        const length = lengthOf(line, from)
        if (length === -1) {
          value = null
          break
        }
        const bytes = yield* read.bytes(length)
        if ((yield* read.uint16()) !== 0x0d0a) refuse('its bulk string is longer than its length')
        value = bulk === 'text' ? bytes.toString() : bytes
        break
      }
      case ARRAY: {
        const left = lengthOf(line, from)
        if (left === -1) {
          value = null
          break
        }
        elements += left
        if (elements > maxElements)
          refuse(`its arrays have more than ${maxElements} elements ('maxElements')`)
        if (open.length === maxDepth) refuse(`more than ${maxDepth} arrays stand in one another ('maxDepth')`)
        if (left > 0) {
          open.push({ items: [], left })
          from = 1
          continue
        }
        value = []
        break
      }
      default:
        refuse('an element begins with none of + - : $ *')
    }
    for (;;) {
      const array = open.at(-1)
      if (array === undefined) return value ?? respNull
      array.items.push(value)
      if (--array.left > 0) break
      value = array.items
      open.pop()
    }
  }
}

function inlineCommand(line: string, { bulk, maxElements }: Rules): RespValue | undefined {
  const words = splitInlineCommand(line)
  if (words === undefined) refuse('the quotes of its inline command are unbalanced')
  if (words.length > maxElements) refuse(`its arrays have more than ${maxElements} elements ('maxElements')`)
  if (words.length === 0) return undefined
  return words.map(word => {
    if (bulk === 'text' && !NON_ASCII.test(word)) return word
    const bytes = Buffer.from(word, 'latin1')
    return bulk === 'text' ? bytes.toString() : bytes
  })
}

function textOf(line: Buffer, from: number): string {
  if (line.includes(0x0a) || line.includes(0x0d)) refuse('a line of it has a CR or an LF in it')
  return line.toString('utf8', from)
}

function integerOf(line: Buffer, from: number): number | bigint {
  const text = line.toString('latin1', from)
  if (!INTEGER_TEXT.test(text)) refuse('an integer of it is not a number')
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
  const exact = BigInt(text)
  if (BigInt.asIntN(64, exact) !== exact) refuse('an integer of it is over 64 bits')
  return exact
}

function lengthOf(line: Buffer, from: number): number {
  const text = line.toString('latin1', from)
  if (!LENGTH_TEXT.test(text)) refuse('a length of it is not a number')
  return Number(text)
}

function refuse(what: string): never {
  throw new InvalidFrameError('resp', what)
}
