// The work of async.ts as tutorials write it: each step is a stream, and one of them waits.
import { type Duplex, pipeline } from 'node:stream'
import split2 from 'split2'
import { objectTransform } from 'through2'
import { serveSockets } from './serve-sockets.js'

const shout = async (line: string) => line.toUpperCase()

serveSockets(socket => {
  const upper = objectTransform(
    (line: string, _encoding: string, callback: (error: null, out: string) => void) => {
      shout(line).then(result => callback(null, `${result}\n`))
    },
  )
  // Errors are ignored: a client may reset its connection.
  pipeline(socket, split2(), upper as unknown as Duplex, socket, () => {})
})
