// The work of fixed.ts by hand on node:net.
import { serveFrames } from './serve-frames.js'

const SIZE = 64

serveFrames((bytes, frames) => {
  let at = 0
  for (; at + SIZE <= bytes.length; at += SIZE) frames.push(bytes.subarray(at, at + SIZE))
  return at
})
