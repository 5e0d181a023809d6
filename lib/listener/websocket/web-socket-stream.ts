import { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Deadlines, Watched } from '../../engine/drive/deadlines.js'
import { type FrameWatch, isOverdue } from '../../engine/drive/frame-watch.js'
import type { Transport } from '../../engine/drive/transport.js'
import type { Plan } from '../../engine/plan.js'
import { FrameTooLongError, InvalidFrameError, InvalidUtf8Error, TimeoutError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import type { Reason } from '../../outcome.js'
import { closeCodeOf, NO_CODE } from './close-code.js'
import { controlFrame, LENGTH_BYTES, OutputFrames } from './output-frames.js'
import type { StreamRules } from './stream-rules.js'
import type { Messages } from './websocket-options.js'

const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa
const NOTHING = Buffer.alloc(0)
const LINE_FEED = Buffer.from('\n')
/** Bytes of a control frame of a client, besides its data: a header and a mask. */
const CONTROL_FRAME_BYTES = 6
/** Output that may wait in the stream, as in a socket. */
const HIGH_WATER_MARK_BYTES = 65_536

/** The name of the transport in errors, where those of stages have the name of the stage. */
const NAME = 'websocket'

/** The receiver of what a WebSocket says besides its messages. */
interface CloseEvents {
  /** The peer has sent a close frame. */
  onPeerClose: (code: number) => void
  /** The peer has broken the protocol; the error follows as an event. */
  onViolation: (code: number) => void
}

/**
 * A WebSocket of ws that only reads: ws would answer a close frame at once, and nothing may follow the answer, but what the
 * peer has sent before is not answered then. It calls `close()` for that, and for a violation of the protocol without a reason.
 */
export class ReadingWebSocket extends WebSocket {
  closeEvents: CloseEvents | undefined

  override close(code: number = NO_CODE, reason?: string | Buffer): void {
    if (code === NO_CODE || reason !== undefined) this.closeEvents?.onPeerClose(code)
    else this.closeEvents?.onViolation(code)
  }
}

/**
 * A WebSocket as a Duplex of bytes. ws reads, and what is written goes to the socket as frames, in one write for each turn, so
 * that backpressure is that of the socket in both directions.
 *
 * - The messages of one read become one chunk.
 * - A close frame of the peer is the end of the input; ours follows the last output, with the code of the outcome.
 * - What breaks the protocol is an 'error' that leaves the stream open, so that the peer can be told.
 * - A connection that ends without a close frame is lost: an 'error', and the stream is destroyed.
 */
export class WebSocketStream extends Duplex implements Watched, Transport {
  /** The stages run in the calls of the socket, and not of this stream. */
  readonly isTraceable = false
  readonly #webSocket: ReadingWebSocket
  readonly #socket: Duplex
  #rules: StreamRules
  #output: OutputFrames
  readonly #onClosed: (stream: WebSocketStream) => void
  /** The messages that wait to be handed on: those of this read, or of one before, where the stream was paused. */
  #received: Buffer[] = []
  /** The data of the last ping that is not answered. */
  #ping: Buffer | undefined
  /** The code of the peer's close frame. */
  #peerCode: number | undefined
  /** The code of a violation of the protocol. */
  #violation: number | undefined
  #reason: Reason = 'client-reset'
  #cause: Error | undefined
  #isClosing = false
  /** Bytes that have come of a message that is not complete. */
  #unfinishedBytes = 0
  #messageCount = 0
  /** For the deadlines: reads so far, those at the last tick, ticks without one, and whether a ping waits for its answer. */
  #reads = 0
  #lastReads = 0
  #quietTicks = 0
  #isPinged = false
  watch: FrameWatch | undefined

  constructor(
    webSocket: ReadingWebSocket,
    socket: Duplex,
    rules: StreamRules,
    onClosed: (stream: WebSocketStream) => void,
  ) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: HIGH_WATER_MARK_BYTES })
    this.#webSocket = webSocket
    this.#socket = socket
    this.#rules = rules
    this.#output = new OutputFrames(rules)
    this.#onClosed = onClosed
    webSocket.closeEvents = {
      onPeerClose: code => this.#onPeerClose(code),
      onViolation: code => {
        this.#violation = code
      },
    }
    webSocket
      .on('message', data => this.#onMessage(data as Buffer))
      .on('ping', data => {
        this.#ping = data
        this.#unfinishedBytes -= CONTROL_FRAME_BYTES + data.length
      })
      .on('pong', data => {
        this.#unfinishedBytes -= CONTROL_FRAME_BYTES + data.length
      })
      .on('error', error => this.#onViolation(error))
    // ws has listened to the socket before, so it has parsed a chunk when these are called.
    socket
      .on('data', chunk => this.#onRead(chunk))
      .on('end', () => this.#onSocketEnd())
      .on('error', error => {
        this.#cause = error
      })
      .on('close', () => this.destroy(this.#cause ?? lost()))
  }

  // Transport: what the driver reads of a socket, and tells one that has an end of its own

  get _handle(): Transport['_handle'] {
    return (this.#socket as Transport)._handle
  }

  get _parent(): Transport['_parent'] {
    return (this.#socket as Transport)._parent
  }

  setReason(reason: Reason): void {
    this.#reason = reason
  }

  follow(plan: Plan): void {
    const before = this.#rules
    this.#rules = before.of(plan)
    if (this.#rules.messages === before.messages && this.#rules.isText === before.isText) return
    super.write(this.#output.end())
    this.#output = new OutputFrames(this.#rules)
  }

  /** Whether a message has begun that is not complete. */
  get isUnfinished(): boolean {
    return this.#unfinishedBytes > 0
  }

  // Watched: called a few times in each deadline

  tick({ idle, frame, idleTimeout, frameTimeout }: Deadlines): void {
    if (this.#isClosing || this.isPaused()) return
    const isQuiet = this.#reads === this.#lastReads
    this.#lastReads = this.#reads
    this.#quietTicks = isQuiet ? this.#quietTicks + 1 : 0
    if (!isQuiet) this.#isPinged = false
    if (isOverdue(this, this.isUnfinished ? this.#messageCount + 1 : 0, frame)) {
      this.#fail(messageTimedOut(frameTimeout))
    } else if (this.#quietTicks >= idle && this.#socket.writableLength === 0) {
      // A ping behind output that waits would not arrive; `drainTimeout` is for that.
      if (this.#isPinged) this.#fail(noPong(idleTimeout))
      else this.#socket.write(controlFrame(PING, NOTHING))
      this.#isPinged = true
      this.#quietTicks = 0
    }
  }

  // Duplex

  override pause(): this {
    this.#webSocket.pause()
    return super.pause()
  }

  override resume(): this {
    this.#webSocket.resume()
    // In a tick of its own, since the driver may be in the middle of a call.
    if (this.#received.length > 0) process.nextTick(() => this.#handOn())
    return super.resume()
  }

  /** The socket is paused and resumed with this stream. */
  override _read(): void {}

  /** Frames are made at once: when they leave, the connection may have another list. */
  override write(bytes: Buffer, callback?: BufferEncoding | ((error?: Error | null) => void)): boolean {
    return super.write(this.#output.write(bytes), callback as () => void)
  }

  override _write(frames: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send(frames, callback)
  }

  override _writev(chunks: { readonly chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#isClosing = true
    const last = Buffer.concat([this.#output.end(), this.#closeFrame()])
    this.#socket.write(last, error => {
      if (this.#peerCode !== undefined) this.#socket.end()
      callback(error)
    })
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#onClosed(this)
    // A listener that does not wait any longer can still say so, if the socket takes it at once.
    if (!this.#isClosing && error === null && this.#socket.writable) this.#socket.write(this.#closeFrame())
    this.#socket.destroy()
    callback(error)
  }

  #send(frames: Buffer, callback: (error?: Error | null) => void): void {
    if (frames.length === 0) callback()
    else this.#socket.write(frames, callback)
  }

  /** A clean close is answered with the peer's code; else the code says why we end the connection. */
  #closeFrame(): Buffer {
    const code =
      this.#reason === 'end' ? (this.#peerCode as number) : (this.#violation ?? closeCodeOf(this.#reason))
    return controlFrame(CLOSE, code === NO_CODE ? NOTHING : Buffer.of(code >> 8, code & 0xff))
  }

  // What ws reads

  #onMessage(data: Buffer): void {
    this.#messageCount++
    this.#unfinishedBytes = -Infinity
    this.#received.push(data)
  }

  /** Hands on what has come of a read, and answers the last ping, as RFC 6455 §5.5.3 allows. */
  #onRead(chunk: Buffer): void {
    this.#reads++
    this.#unfinishedBytes = Math.max(0, this.#unfinishedBytes + chunk.length)
    this.#handOn()
    if (this.#peerCode !== undefined) return
    if (this.#ping === undefined || this.#isClosing || this.#socket.writableNeedDrain) return
    this.#socket.write(controlFrame(PONG, this.#ping))
    this.#ping = undefined
  }

  /** Hands on the messages, unless the stream is paused; each by itself where it may change how the next one is read. */
  #handOn(): void {
    const received = this.#received
    while (received.length > 0 && !this.isPaused()) {
      const { messages, mayChange } = this.#rules
      const parts = received
        .splice(0, mayChange ? 1 : received.length)
        .flatMap(each => partsOf(each, messages))
      this.push(parts.length === 1 ? parts[0] : Buffer.concat(parts))
    }
    if (received.length === 0 && this.#peerCode !== undefined && !this.readableEnded) this.push(null)
  }

  /** From now on a FIN of the peer means nothing, and ws would end the socket with it. */
  #onPeerClose(code: number): void {
    this.#peerCode = code
    this.#socket.removeAllListeners('end')
  }

  #onViolation(error: Error & { readonly code?: string }): void {
    this.#onRead(NOTHING)
    this.#fail(faultOf(error, this.#rules.maxLength))
  }

  #onSocketEnd(): void {
    this.destroy(lost())
  }

  /** Says what the peer did wrong. The driver ends the stream. */
  #fail(error: Error): void {
    if (!this.#isClosing) this.emit('error', error)
  }
}

/** The parts that the stages get of a message. */
function partsOf(message: Buffer, messages: Messages): Buffer[] {
  if (messages === 'frames') return [lengthOf(message), message]
  if (messages === 'bytes' || message[message.length - 1] === LINE_FEED[0]) return [message]
  return [message, LINE_FEED]
}

/** The length in front of a frame. */
function lengthOf(message: Buffer): Buffer {
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32BE(message.length)
  return length
}

function lost(): Error {
  return new Error('The client went away without a close frame.')
}

/** The fault of a peer that has broken the protocol, from the error of ws. */
function faultOf({ code, message }: Error & { readonly code?: string }, maxLength: number): Error {
  switch (code) {
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
      return new FrameTooLongError(NAME, 'frame', maxLength)
    case 'WS_ERR_INVALID_UTF8':
      return new InvalidUtf8Error(NAME, 'frame')
    default:
      return new InvalidFrameError(NAME, message.replace('Invalid WebSocket frame: ', ''))
  }
}

function messageTimedOut(time: number): TimeoutError {
  const duration = formatDuration(time)
  return new TimeoutError(
    'frame-timeout',
    `The client took longer than ${duration} for a message ('frameTimeout').`,
    `message took longer than ${duration}`,
  )
}

function noPong(time: number): TimeoutError {
  const duration = formatDuration(time)
  return new TimeoutError(
    'idle-timeout',
    `The client did not answer a ping within ${duration} ('pingInterval').`,
    `no answer to a ping for ${duration}`,
  )
}
