// A proxy by hand on node:net: a.pipe(b).pipe(a).
import { connect } from 'node:net'
import { serveSockets } from './serve-sockets.js'

serveSockets(socket => {
  const upstream = connect({
    host: '127.0.0.1',
    port: Number(process.env.BENCH_UPSTREAM),
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  })
  socket.pipe(upstream).pipe(socket)
  socket.on('error', () => upstream.destroy())
  upstream.on('error', () => socket.destroy())
})
