import type { Duplex } from 'node:stream'

interface Handle {
  readonly readStart?: () => number
  readonly getpeername?: (to: object) => number
  /** The handle of the socket below TLS. */
  readonly _parent?: Handle | null
}

/** Those internals of a socket that the check needs. Other duplexes have no handle. */
interface Internals {
  readonly _handle?: Handle | null
  readonly _readableState: { autoDestroy: boolean }
  readonly _writableState: { autoDestroy: boolean }
}

/**
 * Calls `ended` once the peer of a socket has ended in good order; to be called in the 'end' of the socket. A RST that comes
 * together with the last bytes is 'end' to Node, since libuv takes a hang-up behind a short read for the end of the stream,
 * whatever the system would say. So the system is asked once more, and a RST is then the socket's 'error'. The socket does not
 * destroy itself from now on. A duplex that is no socket ends as it says.
 */
export function confirmEnd(socket: Duplex, ended: () => void): void {
  const { _handle: handle, _readableState, _writableState } = socket as Duplex & Internals
  if (handle?.readStart === undefined) {
    ended()
    return
  }
  // A socket that has ended on both sides would be destroyed before the answer.
  _readableState.autoDestroy = false
  _writableState.autoDestroy = false
  if (handle._parent) {
    // TLS reads no more behind an end. After a RST the system knows no peer, and neither does it when both sides have sent FIN.
    if (!socket.writableEnded && handle._parent.getpeername?.({})) {
      socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' }))
    } else ended()
    return
  }
  handle.readStart()
  // The answer comes within two turns of the event loop.
  setImmediate(() =>
    setImmediate(() => {
      if (!socket.destroyed) ended()
    }),
  )
}
