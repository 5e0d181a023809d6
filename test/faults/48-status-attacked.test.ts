import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { listen, serveStatus } from '../../lib/index.js'
import { ask, get } from '../status-server/status-client.js'
import { Bystander } from './bystander.js'
import { PIPELINES } from './pipelines.js'

t.test('48: the status page under attack does not touch the listener', async t => {
  const listener = await listen(PIPELINES.lines(), { host: '127.0.0.1', port: 0 })
  const server = await serveStatus(listener, { port: 0 })
  const bystander = await Bystander.start(listener.address.port)
  const sockets: Socket[] = []
  const attack = async (head: string) => {
    const socket = connect(server.address.port, '127.0.0.1')
    sockets.push(socket.on('error', () => {}).pause())
    await once(socket, 'connect')
    socket.write(head)
    return socket
  }
  // Slowloris: heads that never end. More than there are places are closed at once.
  for (let count = 0; count < 100; count++) await attack('GET /status HTTP/1.1\r\nHost: localhost\r\nX-')
  await bystander.rounds(20)
  // Those that were first have five seconds, and are told 408.
  const [first] = sockets
  await once((first as Socket).resume(), 'close')
  for (const socket of sockets.splice(0)) socket.destroy()
  await bystander.rounds(20)

  // Readers of events that never read, and as many as there may be.
  const isFull = async () => {
    const response = await ask(server, '/events')
    response.destroy()
    return response.statusCode === 503
  }
  for (let count = 0; count < 40; count++) await attack('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  while (!(await isFull())) await bystander.rounds(1)
  await bystander.rounds(20)

  for (const [headers, status] of [
    [{ host: 'evil.example' }, 403],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ] as const) {
    t.equal((await get(server, '/status', { headers })).status, status)
  }
  const { body } = await get(server, '/status')
  t.match(
    JSON.parse(body),
    [{ state: 'open', connections: { open: 1 } }],
    'it answers while all watchers are taken',
  )
  t.equal(listener.connections, 1)
  t.equal(listener.refused, 0)
  for (const socket of sockets) socket.destroy()
  await bystander.stop()
  await server.close()
  t.strictSame(await listener.close(), { forced: 0 })
})
