import type { Socket } from 'node:net'

/** Those internals of a socket that the check needs. */
interface Internals {
  readonly _handle?: { readonly readStart?: () => number } | null
  readonly _readableState: { autoDestroy: boolean }
  readonly _writableState: { autoDestroy: boolean }
}

/**
 * Calls `ended` once the peer of a socket has ended in good order. A RST that comes together with the last bytes is 'end' to
 * Node, since libuv takes a hang-up behind a short read for the end of the stream, whatever the system would say. So at 'end' the
 * system is asked once more: it answers within two turns of the event loop, and a RST is then the socket's 'error'. The socket
 * does not destroy itself from now on.
 */
export function onTrueEnd(socket: Socket, ended: () => void): void {
  const internals = socket as unknown as Internals
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
