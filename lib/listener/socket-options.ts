import type { Server, Socket } from 'node:net'

/** Socket options of each connection. */
export interface SocketOptions {
  readonly noDelay: boolean
  readonly keepAlive: boolean
  /** In milliseconds. */
  readonly keepAliveInitialDelay: number
}

/** A server whose handle has the setters of a connection's handle; it lacks them if another process owns the socket. */
type Listening = Server & {
  readonly _handle?: {
    readonly setNoDelay?: (on: boolean) => number
    readonly setKeepAlive?: (on: boolean, seconds: number) => number
  } | null
}

/**
 * Sets the options on the listening socket if the system passes them on to each socket that it accepts, as Linux does.
 * That saves five system calls for each connection. Returns false if they have to be set on each socket instead.
 */
export function setInheritedOptions(server: Server, options: SocketOptions): boolean {
  const { _handle: handle }: Listening = server
  if (process.platform !== 'linux' || !handle?.setNoDelay || !handle.setKeepAlive) return false
  const { noDelay, keepAlive, keepAliveInitialDelay } = options
  const results = [
    handle.setNoDelay(noDelay),
    handle.setKeepAlive(keepAlive, Math.floor(keepAliveInitialDelay / 1_000)),
  ]
  return results.every(result => result === 0)
}

/** Sets the options on the socket of one connection. */
export function setOptions(socket: Socket, options: SocketOptions): void {
  const { noDelay, keepAlive, keepAliveInitialDelay } = options
  socket.setNoDelay(noDelay).setKeepAlive(keepAlive, keepAliveInitialDelay)
}

/**
 * Lets Node make one read at most behind a pause. By default it reads on up to 16 KiB, and 64 KiB since Node 22: of a client that
 * sends a byte at a time these are as many chunks, at some 300 bytes each. `createServer()` takes such a mark, but for both
 * directions at once.
 */
export function stopReadingAtPause(socket: Socket): void {
  const { _readableState: state } = socket as unknown as {
    readonly _readableState: { highWaterMark: number }
  }
  state.highWaterMark = 1
}

/**
 * Stops the reading of a paused socket that goes to another process, so that what the client sends from now on is read there.
 * Without a mark, Node does not begin again to fill the buffer of this process.
 */
export function stopReading(socket: Socket): void {
  const { _handle: handle, _readableState: state } = socket as unknown as {
    readonly _handle: { reading: boolean; readonly readStop: () => void }
    readonly _readableState: { highWaterMark: number }
  }
  state.highWaterMark = 0
  handle.reading = false
  handle.readStop()
}
