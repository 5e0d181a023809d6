// An uppercase server as tutorials write it: each step is a stream, piped into the next.
import { type Duplex, pipeline } from 'node:stream'
import split2 from 'split2'
import { objectTransform, transform } from 'through2'
import { serveSockets } from './serve-sockets.js'

type Callback = (error: null, out: Buffer | string) => void

serveSockets(socket => {
  const count = { bytes: 0 }
  const counter = transform((chunk: Buffer, _encoding: string, callback: Callback) => {
    count.bytes += chunk.length
    callback(null, chunk)
  })
  const upper = objectTransform((line: string, _encoding: string, callback: Callback) => {
    callback(null, `${line.toUpperCase()}\n`)
  })
  // Errors are ignored: a client may reset its connection.
  pipeline(socket, counter as unknown as Duplex, split2(), upper as unknown as Duplex, socket, () => {})
})
