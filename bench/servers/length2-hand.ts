// The work of length2.ts by hand on node:net: each frame is taken out, and gets a length of its own again.
import { serveFrames } from './serve-frames.js'

serveFrames((bytes, pieces) => {
  let at = 0
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) break
    const frame = bytes.subarray(at + 2, end)
    const header = Buffer.allocUnsafe(2)
    header.writeUInt16BE(frame.length)
    pieces.push(header, frame)
    at = end
  }
  return at
})
