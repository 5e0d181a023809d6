import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { listen, serveStatus } from '../../lib/index.js'
import { ask, get } from '../status-server/status-client.js'
import { Bystander } from './bystander.js'
import { PIPELINES } from './pipelines.js'

t.test('51: readers of taps that never read hold nobody up, and a flood is counted', async t => {
  const listener = await listen(PIPELINES.lines(), { host: '127.0.0.1', port: 0 })
  const server = await serveStatus(listener, { port: 0, allowTap: true })
  const bystander = await Bystander.start(listener.address.port)
  const readers = []
  for (const query of [
    'address=127.0.0.1&maxRate=1000&maxBytes=4096',
    'reason=frame-too-long',
    'address=::1',
  ]) {
    readers.push(await ask(server, `/tap?${query}`))
  }
  for (const reader of readers) reader.pause()
  // A client whose every line would be an event, with what would control a terminal.
  const flood = connect(listener.address.port, '127.0.0.1').on('error', () => {})
  await once(flood, 'connect')
  flood.resume()
  for (let count = 0; count < 20; count++) {
    flood.write('\u001b[2J\u009b\n'.repeat(10_000))
    await bystander.rounds(5)
  }
  const live = await ask(server, '/tap?address=127.0.0.1&maxRate=5')
  t.match(await get(server, '/tap?id=1'), { status: 503 }, 'there are as many as there may be')
  let text = ''
  live.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  while (!text.includes('"because":"rate"')) {
    flood.write('\u001b[2J\n'.repeat(100))
    await bystander.rounds(5)
  }
  t.match(text, /^[\n -~]*$/, 'whatever came, what is shown is printable ASCII')
  for (const reader of [...readers, live]) reader.destroy()
  await bystander.rounds(20)
  flood.destroy()
  await bystander.stop()
  await server.close()
  await listener.close()
})
