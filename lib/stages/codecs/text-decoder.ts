import { InvalidFrameError } from '../../errors.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/** The option of `fromBase64()` and `fromHex()`. */
export const FROM_TEXT_OPTIONS = {
  lineFeeds: choice(['error', 'skip'], {
    default: 'error',
    help: 'what LF and CR are: an invalid character, or left out wherever they stand',
  }),
}

/** Options of `fromBase64()` and `fromHex()`. */
export type FromTextOptions = OptionsOf<typeof FROM_TEXT_OPTIONS>

/** An encoding of bytes as text. */
export interface TextRules {
  /** Name of the stage, for errors. */
  readonly name: string
  readonly encoding: 'base64' | 'hex'
  /** Number of digits that together stand for whole bytes. */
  readonly groupLength: number
  /** Matches a character that is not a digit. */
  readonly nonDigit: RegExp
  /** Matches a last group with padding: a `whole` one, and the beginning of one that is still to come (`partial`). */
  readonly padding?: { readonly whole: RegExp; readonly partial: RegExp }
}

const LINE_FEEDS = /[\r\n]+/g

/** Makes a stage that decodes text into bytes, and ends the connection for anything that is not of the encoding. */
export function textDecoder(rules: TextRules, lineFeeds: 'error' | 'skip'): TransformerStage<Buffer, Buffer> {
  const { name } = rules
  const skips = lineFeeds === 'skip'
  return stage<Buffer, Buffer>({
    name,
    accepts: 'bytes',
    emits: 'bytes',
    open: () => new DecodeTransformer(rules, skips),
  })
}

/** Decoder of one connection. */
class DecodeTransformer implements Transformer<Buffer, Buffer> {
  readonly #rules: TextRules
  readonly #skipsLineFeeds: boolean
  /** Characters of a group that is not complete. */
  #remainder = ''
  /** Whether the padding has come; nothing may follow it. */
  #paddingSeen = false

  constructor(rules: TextRules, skipsLineFeeds: boolean) {
    this.#rules = rules
    this.#skipsLineFeeds = skipsLineFeeds
  }

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    const { groupLength, nonDigit } = this.#rules
    const read = chunk.toString('latin1')
    const text = this.#remainder + (this.#skipsLineFeeds ? read.replace(LINE_FEEDS, '') : read)
    if (this.#paddingSeen) {
      this.#refuseMore(text)
      return
    }
    const at = text.search(nonDigit)
    const digits = at === -1 ? text.length : at
    const whole = digits - (digits % groupLength)
    if (whole > 0) this.#decode(text.slice(0, whole), controller)
    this.#remainder = at === -1 ? text.slice(whole) : this.#pad(text.slice(whole), controller)
  }

  flush(): void {
    if (this.#remainder === '') return
    throw this.#invalid(`the input ends within a group of ${this.#rules.groupLength} characters`)
  }

  /** Takes text whose first group has a character that is no digit. Returns what has to wait for more. */
  #pad(remainder: string, controller: Controller<Buffer>): string {
    const { groupLength, nonDigit, padding } = this.#rules
    const group = remainder.slice(0, groupLength)
    if (padding?.whole.test(group)) {
      this.#decode(group, controller)
      this.#paddingSeen = true
      this.#refuseMore(remainder.slice(groupLength))
      return ''
    }
    if (padding?.partial.test(group)) return group
    const character = group.charCodeAt(group.search(nonDigit))
    throw this.#invalid(
      padding !== undefined && character === 0x3d
        ? 'the padding is wrong'
        : `0x${character.toString(16).padStart(2, '0')} is no ${this.#rules.encoding} digit`,
    )
  }

  #refuseMore(text: string): void {
    if (text !== '') throw this.#invalid('something follows the padding')
  }

  #decode(text: string, controller: Controller<Buffer>): void {
    controller.enqueue(Buffer.from(text, this.#rules.encoding))
  }

  #invalid(what: string): InvalidFrameError {
    return new InvalidFrameError(this.#rules.name, what)
  }
}
