import type { ByteTable } from './byte-table.js'
import type { Connection } from './connection.js'

/** The encodings in which blocks of lines can stay bytes: in both a byte 0x0a is always a line feed. */
export type LineEncoding = 'utf8' | 'latin1'

/** A decoder that cuts bytes into blocks of complete lines, and not into single lines. */
export interface BlockDecoder {
  /** Takes a chunk and calls `emit` with blocks, in which each line ends with exactly one line feed. */
  push: (chunk: Buffer, emit: (block: Buffer) => void) => void
  /** Called at the end of the input. Returns the unfinished last line, without a line feed, if it is to be emitted. */
  end: () => Buffer | undefined
  /** The number of the unfinished line, or 0 when there is none: the `unfinished` of a transformer. */
  unfinished?: () => number
}

/** The function of a map for one line; a promise is waited for. */
export type BlockMap = (line: string, connection: Connection) => string | PromiseLike<string>

/**
 * The part of a stage in work on blocks of lines. Where a decoder, any number of maps, and an encoder of the same encoding
 * stand next to each other, the planner replaces them by one stage, which makes fewer strings or none.
 */
export type BlockRole =
  | {
      readonly role: 'decode'
      readonly encoding: LineEncoding
      readonly open: () => BlockDecoder
      /**
       * The decoder for a loop over lines, which makes strings of the lines itself: bytes that are not UTF-8 stay as they
       * came. With `stripsCr` the CR in front of a line feed, which belongs to the delimiter, also stays, and the loop
       * takes it off. @default the decoder of `open`, with no CR to take off
       */
      readonly raw?: { readonly open: () => BlockDecoder; readonly stripsCr: boolean }
    }
  | {
      readonly role: 'map'
      /** The byte that each byte becomes, for a map that is `bytewise`. */
      readonly table?: ByteTable
      readonly line: BlockMap
    }
  | { readonly role: 'encode'; readonly encoding: LineEncoding }
