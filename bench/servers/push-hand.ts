// A push by hand on node:net: the same buffer is written to every socket.
import type { Socket } from 'node:net'
import { inTurns, pushesOf } from './rounds.js'
import { serveSockets } from './serve-sockets.js'

const sockets = new Set<Socket>()

serveSockets(socket => {
  sockets.add(socket)
  socket.on('data', chunk => {
    const pushes = pushesOf(chunk.toString('latin1'))
    if (pushes === 0) {
      if (!socket.write(chunk)) socket.pause()
      return
    }
    inTurns(pushes, () => {
      for (const each of sockets) each.write(chunk)
    })
  })
  socket.on('drain', () => socket.resume())
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
  socket.on('close', () => sockets.delete(socket))
})
