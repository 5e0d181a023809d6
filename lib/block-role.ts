import type { ByteTable } from './byte-table.js'
import type { Connection } from './connection.js'

/** How lines become bytes, where whole blocks of them stay bytes. */
export type LineEncoding = 'utf8' | 'latin1'

/** Cuts bytes into blocks of complete lines. */
export interface BlockDecoder {
  /** Takes a chunk and hands on blocks, in which each line ends with exactly one line feed. */
  push: (chunk: Buffer, emit: (block: Buffer) => void) => void
  /** Takes the end of the input and returns the unfinished last line, without a line feed, if there is one to emit. */
  end: () => Buffer | undefined
  /** The number of the unfinished line; 0 where there is none. As a transformer's `unfinished`. */
  unfinished?: () => number
}

/**
 * What a stage can do with lines where none has to leave it. Where a decoder, stages that map, and an encoder of the same
 * encoding stand next to each other, the planner runs them as one.
 */
export type BlockRole =
  | {
      readonly role: 'decode'
      readonly encoding: LineEncoding
      readonly open: () => BlockDecoder
      /**
       * For a loop over lines: leaves what is not UTF-8 as it came, and with `stripsCr` the CR in front of a line feed too,
       * which is part of the delimiter. @default what `open` gives
       */
      readonly raw?: { readonly open: () => BlockDecoder; readonly stripsCr: boolean }
    }
  | {
      readonly role: 'map'
      /** What it makes of each byte, where that is all it does. */
      readonly table?: ByteTable
      readonly line: (line: string, connection: Connection) => string
    }
  | { readonly role: 'encode'; readonly encoding: LineEncoding }
