import { MAX_PRIORITY, type SyslogMessage } from './syslog-message.js'

const PRIORITY = /^<(0|[1-9]\d{0,2})>/

/** The time of RFC 3164, or one of RFC 3339, which many senders write in its place. */
const TIMESTAMP =
  /^((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?:[ 0]?[1-9]|[12]\d|3[01]) (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /

const HOSTNAME = /^([!-~]{1,255}) /

const TAG = /^([^\s:[\]]{1,128})(?:\[([^\s[\]]{1,128})\])?: ?/

/** A tag in place of the host name, which the colons of an IPv6 address do not make. */
const TAG_ALONE = /^([^\s:[\]]{1,128})(?:\[([^\s[\]]{1,128})\])?:(?: |$)/

const NO_PRIORITY = [] as const

/** Facility user, severity notice: for a message without a priority (RFC 3164, section 4.3.3). */
const DEFAULT_PRIORITY = 13

/**
 * Parses a message in the manner of RFC 3164, which describes what senders do and asks for nothing: what is not recognized
 * stays in the text. A host name is only looked for behind a timestamp.
 */
export function parse3164(text: string): SyslogMessage {
  const [start, digits] = (text.startsWith('<') && PRIORITY.exec(text)) || NO_PRIORITY
  const isKnown = start !== undefined && Number(digits) <= MAX_PRIORITY
  const priority = isKnown ? Number(digits) : DEFAULT_PRIORITY
  let rest = isKnown ? text.slice(start.length) : text
  const take = (pattern: RegExp) => {
    const found = pattern.exec(rest)
    if (found !== null) rest = rest.slice(found[0].length)
    return found
  }
  const timestamp = isKnown ? take(TIMESTAMP)?.[1] : undefined
  let hostname: string | undefined
  let tag: RegExpExecArray | null = null
  if (timestamp !== undefined) {
    // A program on the same machine leaves the host name out, and a tag follows.
    tag = take(TAG_ALONE)
    if (tag === null) {
      hostname = take(HOSTNAME)?.[1]
      tag = take(TAG)
    }
  }
  return {
    format: 'rfc3164',
    facility: priority >> 3,
    severity: priority & 7,
    timestamp,
    hostname,
    appName: tag?.[1],
    procId: tag?.[2],
    msgId: undefined,
    structuredData: {},
    message: rest,
  }
}
