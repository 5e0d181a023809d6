// The baseline: an echo written by hand on node:net.
import { serveSockets } from './serve-sockets.js'

serveSockets(socket => {
  socket.on('data', chunk => {
    if (!socket.write(chunk)) socket.pause()
  })
  socket.on('drain', () => socket.resume())
  socket.on('end', () => socket.end())
  socket.on('error', () => {})
})
