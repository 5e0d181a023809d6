import { isUtf8 } from 'node:buffer'
import type { Messages } from './websocket-options.js'

const LF = 0x0a
const CR = 0x0d
const CR_BYTES = Buffer.of(CR)
const NOTHING = Buffer.alloc(0)

// RFC 6455 §5.2.
const CONTINUATION = 0x0
const TEXT = 0x1
const BINARY = 0x2
const FINAL = 0x80
const MAX_HEADER_BYTES = 10

/** Bytes of the length in front of a frame, as `toLengthPrefixed()` writes it. */
export const LENGTH_BYTES = 4

/** The rules of what is sent. */
export interface OutputRules {
  readonly messages: Messages
  readonly isText: boolean
}

/** A control frame, with at most 125 bytes. */
export function controlFrame(opcode: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.of(FINAL | opcode, data.length), data])
}

/**
 * Makes WebSocket frames of a pipeline's output. A message whose end has not come yet is sent as a fragment, so nothing is held
 * back but what cannot be sent: the first bytes of a character, of a delimiter, or of a length.
 */
export class OutputFrames {
  readonly #messages: Messages
  readonly #isText: boolean
  /** The frames that are being made. */
  #frames = NOTHING
  #length = 0
  /** Whether a fragment was sent of a message that goes on. */
  #isOpen = false
  /** The first bytes of a character whose others have not come. */
  #character = NOTHING
  /** Whether a CR has come that may belong to a delimiter. */
  #holdsCr = false
  /** The bytes of a length that is not complete, and the bytes that are still to come of the frame behind it. */
  #lengthBytes = NOTHING
  #bytesLeft = 0

  constructor({ messages, isText }: OutputRules) {
    this.#messages = messages
    this.#isText = isText
  }

  /** Returns the frames for a chunk of output; empty where more of it must come first. */
  write(chunk: Buffer): Buffer {
    if (chunk.length === 0) return NOTHING
    this.#frames = Buffer.allocUnsafe(chunk.length + 2 * MAX_HEADER_BYTES)
    if (this.#messages === 'lines') this.#cutLines(chunk)
    else if (this.#messages === 'frames') this.#cutFrames(chunk)
    else this.#put(chunk, 0, chunk.length, true)
    return this.#take()
  }

  /** Returns the frames for what was held back, and ends a line; a frame that is not complete stays without an end. */
  end(): Buffer {
    const hasRest = this.#isOpen || this.#holdsCr || this.#character.length > 0
    if (!hasRest || this.#messages === 'frames') return NOTHING
    const rest = this.#holdsCr ? Buffer.concat([this.#character, CR_BYTES]) : this.#character
    const text = this.#isText ? Buffer.from(rest.toString()) : rest
    this.#frame(text, 0, text.length, true)
    return this.#take()
  }

  #take(): Buffer {
    const frames = this.#frames.subarray(0, this.#length)
    this.#frames = NOTHING
    this.#length = 0
    return frames
  }

  /** Cuts behind each LF, and takes it off with one CR before it, as `lines()` does. */
  #cutLines(chunk: Buffer): void {
    if (this.#holdsCr && chunk[0] !== LF) this.#put(CR_BYTES, 0, 1, false)
    const isWhole = !this.#isText || (this.#character.length === 0 && isUtf8(chunk))
    let from = 0
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      const hasCr = end > from && chunk[end - 1] === CR
      this.#put(chunk, from, hasCr ? end - 1 : end, true, isWhole)
      from = end + 1
    }
    this.#holdsCr = from < chunk.length && chunk[chunk.length - 1] === CR
    this.#put(chunk, from, this.#holdsCr ? chunk.length - 1 : chunk.length, false, isWhole)
  }

  /** Takes the lengths off, and cuts where they say. */
  #cutFrames(chunk: Buffer): void {
    let from = 0
    while (from < chunk.length) {
      if (this.#bytesLeft > 0) {
        const to = Math.min(chunk.length, from + this.#bytesLeft)
        this.#bytesLeft -= to - from
        this.#put(chunk, from, to, this.#bytesLeft === 0)
        from = to
        continue
      }
      const to = from + LENGTH_BYTES - this.#lengthBytes.length
      this.#lengthBytes = Buffer.concat([this.#lengthBytes, chunk.subarray(from, to)])
      from = to
      if (this.#lengthBytes.length < LENGTH_BYTES) return
      this.#bytesLeft = this.#lengthBytes.readUInt32BE()
      this.#lengthBytes = NOTHING
      if (this.#bytesLeft === 0) this.#put(NOTHING, 0, 0, true)
    }
  }

  /** Adds a part of a message. Of text only whole characters go on; `isWhole` says that there are no others. */
  #put(source: Buffer, from: number, to: number, ends: boolean, isWhole = !this.#isText): void {
    if (isWhole) {
      if (ends || to > from) this.#frame(source, from, to, ends)
      return
    }
    const bytes = Buffer.concat([this.#character, source.subarray(from, to)])
    // In a stream the rest of a character may come with the next message.
    const held = ends && this.#messages !== 'bytes' ? 0 : unfinishedCharacter(bytes)
    const whole = bytes.subarray(0, bytes.length - held)
    this.#character = bytes.subarray(bytes.length - held)
    const text = isUtf8(whole) ? whole : Buffer.from(whole.toString())
    if (text.length > 0 || (ends && this.#messages !== 'bytes')) this.#frame(text, 0, text.length, ends)
  }

  #frame(source: Buffer, from: number, to: number, ends: boolean): void {
    const size = to - from
    const needed = this.#length + MAX_HEADER_BYTES + size
    if (needed > this.#frames.length) {
      const larger = Buffer.allocUnsafe(2 * needed)
      this.#frames.copy(larger, 0, 0, this.#length)
      this.#frames = larger
    }
    const frames = this.#frames
    const opcode = this.#isOpen ? CONTINUATION : this.#isText ? TEXT : BINARY
    this.#isOpen = !ends
    frames[this.#length] = ends ? FINAL | opcode : opcode
    const at = this.#writeSize(this.#length + 1, size)
    source.copy(frames, at, from, to)
    this.#length = at + size
  }

  /** Writes the length of a frame, in as few bytes as it needs; returns where it ends. */
  #writeSize(at: number, size: number): number {
    if (size < 126) {
      this.#frames[at] = size
      return at + 1
    }
    if (size < 65_536) {
      this.#frames[at] = 126
      return this.#frames.writeUInt16BE(size, at + 1)
    }
    this.#frames[at] = 127
    return this.#frames.writeBigUInt64BE(BigInt(size), at + 1)
  }
}

/** How many bytes at the end are the beginning of a character that is not complete. */
function unfinishedCharacter(bytes: Buffer): number {
  for (let count = 1; count <= 3; count++) {
    const byte = bytes[bytes.length - count] ?? 0
    const isContinuation = (byte & 0xc0) === 0x80
    if (isContinuation) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > count ? count : 0
  }
  return 0
}
