import type { Reason } from '../../outcome.js'

/** Where an item was seen. */
export type TapPoint =
  /** Bytes that came from the client. */
  | 'in'
  /** An item that a stage gave to the next one. */
  | 'stage'
  /** What was written to the client: the output of a turn is one item. */
  | 'out'

/** The connection that an event is about. */
interface OfConnection {
  /** The moment, in milliseconds since 1970. */
  readonly at: number
  /** `connection.id`. */
  readonly id: number
}

/** Something that a tapped connection does. Plain data: every text has only the characters 0x20 to 0x7e. */
export type TapEvent =
  /** It was open when the tap began, or opens now. */
  | (OfConnection & { readonly event: 'attached' | 'opened'; readonly address: string | null })
  | (OfConnection & {
      readonly event: 'item'
      readonly point: TapPoint
      /** Names of the stage, as in the status; null for `in` and `out`. */
      readonly stage: string | null
      /** Its place in the pipeline as it runs; null for `in` and `out`. */
      readonly index: number | null
      /** Bytes of it, characters of a line, 0 of a value. */
      readonly size: number
      /** The item, or its beginning: bytes with escapes such as `\n` and `\xHH`, a value as `util.inspect()` shows it. */
      readonly text: string
      /** Whether `text` is only its beginning. */
      readonly isCut: boolean
    })
  | (OfConnection & {
      readonly event: 'closed'
      readonly address: string | null
      readonly reason: Reason
      /** The error that has ended it; null where there was none. */
      readonly message: string | null
      readonly bytesIn: number
      readonly bytesOut: number
      /** Milliseconds. */
      readonly duration: number
    })
  /** Events that are not told: there were more than `maxRate` in a second, or the reader was slow. */
  | {
      readonly event: 'skipped'
      readonly at: number
      readonly count: number
      readonly because: 'rate' | 'reader'
    }

/** A tap that is attached. */
export interface Tap {
  /** Connections that it saw at its beginning. */
  readonly connections: number
  /** Ends it. A second call does nothing. */
  close: () => void
}

/** Called with each item of a tapped connection. `index` is the stage that gave it; undefined for the client's side. */
export type SeeItem = (point: TapPoint, item: unknown, index?: number) => void
