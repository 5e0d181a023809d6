import { InvalidFrameError } from '../../errors.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

export const FROM_TEXT_OPTIONS = {
  lineFeeds: choice(['error', 'skip'], {
    default: 'error',
    help: 'what LF and CR are: an invalid character, or left out wherever they stand',
  }),
}

/** Options of `fromBase64()` and `fromHex()`. */
export type FromTextOptions = OptionsOf<typeof FROM_TEXT_OPTIONS>

/** How bytes are written as text. */
export interface TextRules {
  readonly name: string
  readonly encoding: 'base64' | 'hex'
  /** How many characters stand for whole bytes. */
  readonly groupLength: number
  /** Finds what is no digit. */
  readonly foreign: RegExp
  /** What a last group looks like that holds less, and what the beginning of one that is still to come. */
  readonly padded?: { readonly whole: RegExp; readonly partial: RegExp }
}

const LINE_FEEDS = /[\r\n]+/g

/** A stage that turns text of an encoding back into bytes, strictly: what is no text of the encoding is an error. */
export function textDecoder(rules: TextRules, lineFeeds: 'error' | 'skip'): TransformerStage<Buffer, Buffer> {
  const { name } = rules
  const skips = lineFeeds === 'skip'
  return stage<Buffer, Buffer>({
    name,
    accepts: 'bytes',
    emits: 'bytes',
    asks: false,
    open: () => new DecodeTransformer(rules, skips),
  })
}

class DecodeTransformer implements Transformer<Buffer, Buffer> {
  readonly #rules: TextRules
  readonly #skips: boolean
  /** An unfinished group. */
  #carry = ''
  #padded = false

  constructor(rules: TextRules, skips: boolean) {
    this.#rules = rules
    this.#skips = skips
  }

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    const { groupLength, foreign } = this.#rules
    const read = chunk.toString('latin1')
    const text = this.#carry + (this.#skips ? read.replace(LINE_FEEDS, '') : read)
    if (this.#padded) {
      this.#refuseMore(text)
      return
    }
    const at = text.search(foreign)
    const digits = at === -1 ? text.length : at
    const whole = digits - (digits % groupLength)
    if (whole > 0) this.#decode(text.slice(0, whole), controller)
    this.#carry = at === -1 ? text.slice(whole) : this.#pad(text.slice(whole), controller)
  }

  flush(): void {
    if (this.#carry === '') return
    throw this.#invalid(`the input ends within a group of ${this.#rules.groupLength} characters`)
  }

  /** Takes a group that holds something else than digits, and what is behind it. Returns what waits for more. */
  #pad(rest: string, controller: Controller<Buffer>): string {
    const { groupLength, foreign, padded } = this.#rules
    const group = rest.slice(0, groupLength)
    if (padded?.whole.test(group)) {
      this.#decode(group, controller)
      this.#padded = true
      this.#refuseMore(rest.slice(groupLength))
      return ''
    }
    if (padded?.partial.test(group)) return group
    const character = group.charCodeAt(group.search(foreign))
    throw this.#invalid(
      padded !== undefined && character === 0x3d
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
