/** A range of a text: from its first character up to the one behind its last. */
export type Span = readonly [from: number, to: number]

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Number of digits from which an integer may be beyond 2^53. */
const BIG_INTEGER_DIGITS = 16
/** Number of digits from which a number may be infinite with an exponent of less than three digits. */
const INFINITE_DIGITS = 200

const LONG_EXPONENT = /[eE]\+?\d{3}/
const ESCAPE = /["\\/bfnrt]|u[\dA-Fa-f]{4}/y

/**
 * Whether a text may nest deeper than a limit, or have a number that is not finite. Only such a text has to be scanned,
 * and few others take more than a glance.
 */
export function mayExceed(text: string, maxDepth: number): boolean {
  return LONG_EXPONENT.test(text) || hasDigits(text, INFINITE_DIGITS) || hasOpeners(text, maxDepth)
}

/** Whether a text may have an integer beyond 2^53. */
export function mayHaveBigInteger(text: string): boolean {
  return hasDigits(text, BIG_INTEGER_DIGITS)
}

/** Whether so many digits follow one another. Only each `count`-th character is looked at first, for they have one of these. */
function hasDigits(text: string, count: number): boolean {
  for (let at = count - 1; at < text.length; at += count) {
    let from = at
    while (isDigit(text.charCodeAt(from))) from--
    let to = at
    while (to - from <= count && isDigit(text.charCodeAt(to))) to++
    if (to - from > count) return true
  }
  return false
}

/** Whether a text has more brackets and braces that open than a limit. */
function hasOpeners(text: string, limit: number): boolean {
  // Each has one that closes it.
  if (text.length <= 2 * limit) return false
  let count = 0
  for (const opener of '[{') {
    for (let at = text.indexOf(opener); at !== -1; at = text.indexOf(opener, at + 1)) {
      if (++count > limit) return true
    }
  }
  return false
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9
}

/** The findings of `scan()` in a text. */
export interface Scanned {
  /** The fault; undefined for JSON within the limits. */
  readonly fault: string | undefined
  /** The integers beyond 2^53, in order. */
  readonly bigIntegers: readonly Span[]
}

/**
 * Reads a JSON text (RFC 8259) without making anything of it: finds out whether it is one, without the exception of
 * `JSON.parse`, which takes microseconds, and whether it is within the limits.
 */
export function scan(text: string, maxDepth: number): Scanned {
  const scanner = new Scanner(text, maxDepth)
  return { fault: scanner.fault(), bigIntegers: scanner.bigIntegers }
}

/** Reads one text. It keeps its own stack: a text may nest deeper than that of JavaScript. */
class Scanner {
  readonly #text: string
  readonly #maxDepth: number
  #at = 0
  readonly bigIntegers: Span[] = []
  /** Whether a number is not finite. */
  #isInfinite = false

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  /** Reads the text, and returns what is wrong with it. */
  fault(): string | undefined {
    /** The characters that close the arrays and objects under way. */
    const closers: number[] = []
    for (;;) {
      const first = this.#next()
      if (first === OPEN_BRACKET || first === OPEN_BRACE) {
        if (closers.length === this.#maxDepth)
          return `it nests deeper than ${this.#maxDepth} levels ('maxDepth')`
        this.#at++
        const closer = first + 2
        if (this.#next() !== closer) {
          closers.push(closer)
          if (closer === CLOSE_BRACE && !this.#key()) return NOT_JSON
          continue
        }
        this.#at++
      } else if (!this.#scalar(first)) {
        return NOT_JSON
      }
      while (closers.length > 0 && this.#next() === closers.at(-1)) {
        closers.pop()
        this.#at++
      }
      const end = this.#next()
      if (closers.length === 0) {
        if (this.#at < this.#text.length) return NOT_JSON
        return this.#isInfinite ? 'it has a number beyond those of a double' : undefined
      }
      if (end !== COMMA) return NOT_JSON
      this.#at++
      if (closers.at(-1) === CLOSE_BRACE && !this.#key()) return NOT_JSON
    }
  }

  /** Skips white space, and returns the code of the character behind it; NaN at the end. */
  #next(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return code
      this.#at++
    }
  }

  /** Reads a key and its colon; false where there is none. */
  #key(): boolean {
    if (this.#next() !== QUOTE || !this.#string() || this.#next() !== COLON) return false
    this.#at++
    return true
  }

  #scalar(first: number): boolean {
    if (first === QUOTE) return this.#string()
    if (first === MINUS || isDigit(first)) return this.#number()
    return ['true', 'false', 'null'].some(word => {
      const isWord = this.#text.startsWith(word, this.#at)
      if (isWord) this.#at += word.length
      return isWord
    })
  }

  #string(): boolean {
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === QUOTE) {
        this.#at++
        return true
      }
      if (code < 0x20) return false
      if (code !== BACKSLASH) continue
      ESCAPE.lastIndex = this.#at + 1
      if (!ESCAPE.test(this.#text)) return false
      this.#at = ESCAPE.lastIndex - 1
    }
    return false
  }

  #number(): boolean {
    const from = this.#at
    if (this.#text.charCodeAt(from) === MINUS) this.#at++
    const first = this.#at
    if (!this.#digits()) return false
    if (this.#text.charCodeAt(first) === ZERO && this.#at > first + 1) return false
    const integerEnd = this.#at
    if (this.#text.charCodeAt(this.#at) === POINT) {
      this.#at++
      if (!this.#digits()) return false
    }
    if (/[eE]/.test(this.#text.charAt(this.#at))) {
      this.#at++
      if (/[+-]/.test(this.#text.charAt(this.#at))) this.#at++
      if (!this.#digits()) return false
    }
    const isInteger = this.#at === integerEnd
    if (isInteger && this.#at - first < BIG_INTEGER_DIGITS) return true
    const value = Number(this.#text.slice(from, this.#at))
    if (!Number.isFinite(value)) this.#isInfinite = true
    else if (isInteger && !Number.isSafeInteger(value)) this.bigIntegers.push([from, this.#at])
    return true
  }

  /** Reads digits; false where there is none. */
  #digits(): boolean {
    const from = this.#at
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++
    return this.#at > from
  }
}

/** The fault of a text that is no JSON. */
export const NOT_JSON = 'the line is not JSON'
