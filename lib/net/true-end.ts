import type { Duplex } from 'node:stream'

/** Those internals of a socket that the check needs. Other duplexes have no handle. */
interface Internals {
  readonly _handle?: { readonly readStart?: () => number } | null
  readonly _readableState: { autoDestroy: boolean }
  readonly _writableState: { autoDestroy: boolean }
}

/**
 * Calls `ended` once the peer of a socket has ended in good order. A RST that comes together with the last bytes is 'end' to
 * Node, since libuv takes a hang-up behind a short read for the end of the stream, whatever the system would say. So at 'end' the
 * system is asked once more: it answers within two turns of the event loop, and a RST is then the socket's 'error'. The socket
 * does not destroy itself from now on. A duplex that is no socket ends as it says.
 */
export function onTrueEnd(socket: Duplex, ended: () => void): void {
  const internals = socket as Duplex & Internals
  if (internals._handle?.readStart === undefined) {
    socket.on('end', ended)
    return
  }
  // A socket that has ended on both sides would be destroyed before the answer.
  internals._readableState.autoDestroy = false
  internals._writableState.autoDestroy = false
  socket.on('end', () => {
    internals._handle?.readStart?.()
    setImmediate(() =>
      setImmediate(() => {
        if (!socket.destroyed) ended()
      }),
    )
  })
}
