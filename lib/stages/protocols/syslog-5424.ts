import { MAX_PRIORITY, type SyslogMessage, type SyslogParameters } from './syslog-message.js'

/** The beginning of a message of version 1, the only one that there is. */
const VERSION_1 = /^<(0|[1-9]\d{0,2})>1 /

const HEADER = /(\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) /y

const TIMESTAMP =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** An SD-ID or the name of a parameter: printable ASCII without '=', ']' and '"'. */
const NAME = /[!#-<>-\\^-~]{1,32}/y

const BYTE_ORDER_MARK = '\ufeff'

/** The fault of a message that breaks the rules of RFC 5424. */
export class SyslogFault {
  readonly what: string

  constructor(what: string) {
    this.what = what
  }
}

/** Parses a message of RFC 5424; undefined for one that does not say that it is of version 1. */
export function parse5424(text: string): SyslogMessage | SyslogFault | undefined {
  if (!text.startsWith('<')) return undefined
  const [start, digits] = VERSION_1.exec(text) ?? []
  const priority = Number(digits)
  if (start === undefined || priority > MAX_PRIORITY) return undefined
  HEADER.lastIndex = start.length
  const header = HEADER.exec(text)
  if (header === null) return new SyslogFault('its header does not have the fields of RFC 5424')
  const [, timestamp = '', hostname, appName, procId, msgId] = header
  if (timestamp !== '-' && !TIMESTAMP.test(timestamp)) {
    return new SyslogFault('its timestamp is not that of RFC 5424')
  }
  const data = new StructuredData(text, start.length + header[0].length)
  const fault = data.parse()
  if (fault !== undefined) return new SyslogFault(fault)
  if (data.at < text.length && text[data.at] !== ' ') {
    return new SyslogFault('its structured data is followed by no space')
  }
  const message = text.slice(data.at + 1)
  return {
    format: 'rfc5424',
    facility: priority >> 3,
    severity: priority & 7,
    timestamp: nilOr(timestamp),
    hostname: nilOr(hostname),
    appName: nilOr(appName),
    procId: nilOr(procId),
    msgId: nilOr(msgId),
    structuredData: data.elements,
    message: message.startsWith(BYTE_ORDER_MARK) ? message.slice(1) : message,
  }
}

function nilOr(field: string | undefined): string | undefined {
  return field === '-' ? undefined : field
}

/** The parser of the structured data that begins at a place of a message. */
class StructuredData {
  readonly elements: Record<string, SyslogParameters> = {}
  readonly #text: string
  /** How far the text is parsed. */
  at: number

  constructor(text: string, at: number) {
    this.#text = text
    this.at = at
  }

  /** Parses all elements, and returns what is wrong. */
  parse(): string | undefined {
    if (this.#take('-')) return undefined
    if (this.#text[this.at] !== '[') return 'its structured data does not begin with [ or -'
    while (this.#take('[')) {
      const fault = this.#parseElement()
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #parseElement(): string | undefined {
    const id = this.#name()
    if (id === undefined) return 'an element of its structured data has no ID'
    if (Object.hasOwn(this.elements, id)) return 'an ID stands twice in its structured data'
    const parameters: Record<string, string | string[]> = {}
    this.elements[id] = parameters
    while (this.#take(' ')) {
      const name = this.#name()
      if (name === undefined || !this.#take('=') || !this.#take('"')) {
        return 'a parameter of its structured data is not name="value"'
      }
      const value = this.#value()
      if (value === undefined)
        return 'a value of its structured data does not end, or has a ] that is not escaped'
      const before = Object.hasOwn(parameters, name) ? parameters[name] : undefined
      if (before === undefined) parameters[name] = value
      else if (typeof before === 'string') parameters[name] = [before, value]
      else before.push(value)
    }
    return this.#take(']') ? undefined : 'an element of its structured data does not end with ]'
  }

  #take(letter: string): boolean {
    const isThere = this.#text[this.at] === letter
    if (isThere) this.at++
    return isThere
  }

  /** Reads an SD-ID or a name. `__proto__` is none, as in `jsonLines`: it would change what the object is. */
  #name(): string | undefined {
    NAME.lastIndex = this.at
    const name = NAME.exec(this.#text)?.[0]
    if (name === undefined || name === '__proto__') return undefined
    this.at += name.length
    return name
  }

  /** Reads a value and the quote behind it. A backslash in front of another character than `"`, `\` and `]` is content. */
  #value(): string | undefined {
    const text = this.#text
    let value = ''
    let from = this.at
    for (let at = from; at < text.length; at++) {
      const letter = text[at]
      if (letter === ']') return undefined
      if (letter === '"') {
        this.at = at + 1
        return value + text.slice(from, at)
      }
      if (letter !== '\\') continue
      const next = text[at + 1]
      if (next !== '"' && next !== '\\' && next !== ']') continue
      value += text.slice(from, at)
      at++
      from = at
    }
    return undefined
  }
}
