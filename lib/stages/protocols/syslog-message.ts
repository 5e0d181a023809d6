/** The parameters of an element of structured data; one that stands in it several times is a list. */
export type SyslogParameters = Readonly<Record<string, string | readonly string[]>>

/** A message of syslog. A field is undefined where the message does not have it, and then it is missing in JSON. */
export interface SyslogMessage {
  /** The standard that the message follows. */
  readonly format: 'rfc5424' | 'rfc3164'
  /** The facility, from 0 (kernel) to 23 (local7). */
  readonly facility: number
  /** The severity, from 0 (emergency) to 7 (debug). */
  readonly severity: number
  /** The time as it is written; in RFC 3164 it has no year and no zone. */
  readonly timestamp: string | undefined
  readonly hostname: string | undefined
  /** The program; in RFC 3164 the tag. */
  readonly appName: string | undefined
  /** The process; in RFC 3164 what stands in brackets behind the tag. */
  readonly procId: string | undefined
  readonly msgId: string | undefined
  /** The elements by their SD-ID. */
  readonly structuredData: Readonly<Record<string, SyslogParameters>>
  /** The text, without the byte order mark of UTF-8. */
  readonly message: string
}

/** The most that a priority can be: facility 23 and severity 7. */
export const MAX_PRIORITY = 191
