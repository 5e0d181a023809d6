import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { systemClock } from '../../lib/clock.js'
import { lines, listen, map, pipeline, type StatusSource, type TapEvent, toLines } from '../../lib/index.js'
import { fakeClock } from '../../lib/testing/index.js'
import { connectTcp } from '../tcp-client.js'
import { ask, get, openStatus } from './status-client.js'

const list = pipeline()
  .through(lines())
  .through(map('same', (line: string) => line))
  .through(toLines())

async function serve(t: Test, clock = systemClock) {
  const listener = await listen(list, { host: '127.0.0.1', port: 0 })
  t.teardown(() => listener.close({ timeout: 0 }))
  const server = await openStatus(t, listener, { port: 0, allowTap: true }, clock)
  return { listener, server, client: () => connectTcp(t, listener.address.port) }
}

/** Reads the events of a response; `until` resolves with all so far, once one is of a kind. */
function follow(response: IncomingMessage) {
  let text = ''
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  const until = async (event: TapEvent['event']) => {
    for (;;) {
      const events = [...text.matchAll(/^event: tap\ndata: (.+)\n\n/gm)].map(
        ([, json = '']) => JSON.parse(json) as TapEvent,
      )
      if (events.some(each => each.event === event)) return events
      await once(response, 'data')
    }
  }
  return { until }
}

t.test('/tap tells what a connection says, as server-sent events, until it is over', async t => {
  const { server, client } = await serve(t)
  const response = await ask(server, '/tap?address=127.0.0.1')
  t.equal(response.statusCode, 200)
  t.equal(response.headers['content-type'], 'text/event-stream')
  const one = await client()
  await one.send('a\u009b\n')
  await one.receive('\n')
  const [opened] = await follow(response).until('opened')
  const { id } = opened as { readonly id: number }
  const own = await ask(server, `/tap?id=${id}&maxBytes=1`)
  const { until } = follow(own)
  await until('attached')
  one.end('xyz\n')
  const events = await until('closed')
  t.match(events[1], { event: 'item', point: 'in', text: 'x', isCut: true, size: 4 })
  t.match(events.at(-1), { event: 'closed', id, reason: 'end' })
  if (!own.complete) await once(own, 'end')
  t.ok(own.complete, 'the server has ended it')
  response.destroy()
})

t.test('without the leave of the operator there is nothing, and a word about it', async t => {
  const listener = await listen(list, { host: '127.0.0.1', port: 0 })
  t.teardown(() => listener.close({ timeout: 0 }))
  const token = 'a-token-of-sixteen'
  const server = await openStatus(t, listener, { port: 0, token })
  t.match(await get(server, '/tap?id=1'), { status: 401 }, 'the token comes first')
  const headers = { authorization: `Bearer ${token}` }
  t.match(await get(server, '/tap?id=1', { headers }), {
    status: 403,
    body: /^Taps are off, since they show what clients send\. Start the server with --allow-tap, or .*'allowTap: true'/,
  })
  const open = await openStatus(t, listener, { port: 0, token, allowTap: true })
  t.match(await get(open, '/tap?id=1'), { status: 401 })
  t.match(await get(open, '/tap', { headers }), { status: 400 })
})

t.test('a wrong query says what is wrong, and a number that nobody has is not found', async t => {
  const { server } = await serve(t)
  t.match(await get(server, '/tap'), {
    status: 400,
    body: /^tap\(\) takes one of 'id', 'address' and 'reason'/,
  })
  t.match(await get(server, '/tap?id=x'), { status: 400, body: /'id' is a whole number/ })
  t.match(await get(server, '/tap?what=x'), { status: 400, body: /no option 'what'/ })
  t.match(await get(server, '/tap?id=999999999'), {
    status: 404,
    body: /^No connection with the number 999999999 is open/,
  })
  t.match(await get(server, '/tap?id=1', { method: 'HEAD' }), { status: 200, body: '' })
})

t.test('only so many read at a time', async t => {
  const { server } = await serve(t)
  const readers = []
  for (let count = 0; count < 4; count++) readers.push(await ask(server, '/tap?address=::1'))
  t.match(await get(server, '/tap?address=::1'), { status: 503, body: /^There are 4 taps already/ })
  t.match(await get(server, '/status'), { status: 200 })
  for (const each of readers) each.destroy()
  for (;;) {
    const again = await ask(server, '/tap?address=::1')
    again.destroy()
    if (again.statusCode === 200) break
  }
  const last = await ask(server, '/tap?address=::1')
  await server.close()
  await once(last.resume(), 'end')
})

/** A source whose taps a test makes tell. */
function source(connections = 1) {
  const tells: ((event: TapEvent) => void)[] = []
  let closed = 0
  const each: StatusSource = {
    status: async () => {
      throw new Error('is not asked')
    },
    tap: async (_, onEvent) => {
      tells.push(onEvent)
      onEvent({ event: 'attached', at: 0, id: 1, address: null })
      return { connections, close: () => void closed++ }
    },
  }
  return { each, tell: (event: TapEvent) => tells[0]?.(event), closed: () => closed }
}

const item = (size: number): TapEvent => ({
  event: 'item',
  at: 0,
  id: 1,
  point: 'in',
  stage: null,
  index: null,
  size,
  text: 'x'.repeat(size),
  isCut: false,
})

t.test('a reader that is slow misses events, and is told how many', async t => {
  const { each, tell, closed } = source()
  const withoutTaps: StatusSource = { status: each.status }
  const server = await openStatus(t, [each, withoutTaps], { port: 0, allowTap: true })
  const response = await ask(server, '/tap?id=1')
  response.pause()
  for (let count = 0; count < 5_000; count++) {
    tell(item(4_000))
    if (count % 50 === 0) await new Promise(setImmediate)
  }
  // What is left is told with the next event that there is room for.
  response.resume()
  let text = ''
  response.setEncoding('latin1').on('data', chunk => {
    text += chunk
  })
  while (!/"event":"skipped"/.test(text)) {
    tell(item(1))
    await new Promise(setImmediate)
  }
  t.match(text, /"event":"skipped","at":\d+,"count":\d+,"because":"reader"/)
  response.destroy()
  while (closed() === 0) await new Promise(setImmediate)
  tell(item(1))
  t.equal(closed(), 1)
})

t.test('a reader that is slow hears of the end by the end', async t => {
  const { each, tell, closed } = source()
  const server = await openStatus(t, each, { port: 0, allowTap: true })
  const response = await ask(server, '/tap?id=1')
  response.pause()
  for (let count = 0; count < 5_000; count++) {
    tell(item(4_000))
    if (count % 50 === 0) await new Promise(setImmediate)
  }
  const facts = { reason: 'end', message: null, bytesIn: 0, bytesOut: 0, duration: 0 } as const
  tell({ event: 'closed', at: 0, id: 1, address: null, ...facts })
  t.equal(closed(), 1)
  await once(response.resume(), 'end')
})

t.test('a tap that is silent says so often enough that its socket is kept', async t => {
  const clock = fakeClock()
  const server = await openStatus(t, source().each, { port: 0, allowTap: true }, clock)
  const response = await ask(server, '/tap?id=1')
  let text = ''
  response.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  for (let beats = 2; beats < 5; beats++) {
    clock.advance(10_000)
    while (text.split(':\n\n').length - 1 < beats) await once(response, 'data')
  }
  t.match(text, /^:\n\nevent: tap\ndata: \{"event":"attached"/)
  response.destroy()
})

t.test('a reader that goes away before its tap is attached leaves nothing', async t => {
  let attach = () => {}
  let asked = () => {}
  let closed = 0
  const isAsked = new Promise<void>(resolve => {
    asked = resolve
  })
  const slow: StatusSource = {
    status: async () => [] as never,
    tap: () =>
      new Promise(resolve => {
        attach = () => resolve({ connections: 1, close: () => void closed++ })
        asked()
      }),
  }
  const server = await openStatus(t, slow, { port: 0, allowTap: true })
  const socket = connect(server.address.port, '127.0.0.1')
  socket.write('GET /tap?id=1 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await isAsked
  socket.destroy()
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  attach()
  while (closed === 0) await new Promise(setImmediate)
  t.equal(closed, 1)
})

t.test('a source that cannot be tapped fails the request, and not the server', async t => {
  const failing: StatusSource = {
    status: async () => [] as never,
    tap: async () => {
      throw new Error('no taps today')
    },
  }
  const good = source()
  const server = await openStatus(t, [good.each, failing], { port: 0, allowTap: true })
  for (let count = 0; count < 6; count++) {
    t.match(await get(server, '/tap?id=1'), { status: 500, body: /no taps today/ })
    t.equal(good.closed(), count + 1)
  }
})
