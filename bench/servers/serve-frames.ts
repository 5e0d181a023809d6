import { serveSockets } from './serve-sockets.js'

/**
 * Serves frames by hand on node:net: the rest of a chunk is kept, and the answers to a chunk are one write.
 *
 * @param cut - Puts the answers to the complete frames of `bytes` into `pieces`, and returns where the rest begins.
 */
export function serveFrames(cut: (bytes: Buffer, pieces: Buffer[]) => number): void {
  serveSockets(socket => {
    let rest: Buffer | undefined
    socket.on('data', chunk => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
      const pieces: Buffer[] = []
      const end = cut(bytes, pieces)
      rest = end < bytes.length ? bytes.subarray(end) : undefined
      const [first] = pieces
      if (first === undefined) return
      if (!socket.write(pieces.length === 1 ? first : Buffer.concat(pieces))) socket.pause()
    })
    socket.on('drain', () => socket.resume())
    socket.on('end', () => socket.end())
    socket.on('error', () => {})
  })
}
