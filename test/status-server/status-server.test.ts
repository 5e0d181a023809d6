import { EventEmitter, once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type Status, serveStatus } from '../../lib/index.js'
import { Snapshots } from '../../lib/status-server/snapshots.js'
import { statusSettings } from '../../lib/status-server/status-options.js'
import type { StatusSource } from '../../lib/status-server/status-source.js'
import { readUplot } from '../../lib/status-server/uplot-files.js'
import { Watchers } from '../../lib/status-server/watchers.js'
import { fakeClock } from '../../lib/testing/index.js'
import { socketFolder } from '../socket-folder.js'
import { sampleStatus, sampleStatuses } from '../status/sample-status.js'
import { ask, get, openStatus } from './status-client.js'

const TOKEN = 'a-token-of-24-characters'

/** A source that counts how often it is asked, and whose answer can be changed. */
function source(more: Partial<Status> = {}) {
  const changing = { ...sampleStatus(more) }
  let asked = 0
  return {
    changing: changing as { -readonly [Name in keyof Status]: Status[Name] },
    asked: () => asked,
    status: async () => {
      asked++
      return changing
    },
  }
}

const three = sampleStatuses().map(each => ({ status: async () => each }))
const broken: StatusSource = { status: () => Promise.reject(new Error('the worker is gone')) }

t.test('each path gives what it says, and every answer is guarded', async t => {
  const server = await openStatus(t, three)
  t.equal(server.url, `http://127.0.0.1:${server.address.port}/`)
  for (const [path, type, pattern] of [
    ['/', 'text/html; charset=utf-8', /<title>bywash status<\/title>/],
    ['/uplot.js', 'text/javascript; charset=utf-8', /uPlot/],
    ['/uplot.css', 'text/css; charset=utf-8', /\.uplot/],
    ['/status', 'application/json; charset=utf-8', /^\[\{"version":1/],
    ['/status?pretty', 'application/json; charset=utf-8', /^\[/],
    ['/metrics', 'text/plain; version=0.0.4; charset=utf-8', /^# HELP bywash_/],
    ['/healthz', 'text/plain; charset=utf-8', /^ok\n$/],
  ] as const) {
    const { status, headers, body } = await get(server, path)
    t.equal(status, 200, path)
    t.match(body, pattern, path)
    t.match(headers, { 'content-type': type, 'x-content-type-options': 'nosniff' }, path)
    t.match(headers['content-security-policy'], /^default-src 'none'/)
    if (!path.startsWith('/uplot')) t.equal(headers['cache-control'], 'no-store', path)
    const head = await get(server, path, { method: 'HEAD' })
    t.strictSame({ ...head.headers, date: '' }, { ...headers, date: '' }, `HEAD ${path}`)
    t.equal(head.body, '')
  }
  t.strictSame(JSON.parse((await get(server, '/status')).body), sampleStatuses())
})

t.test('anything else is refused in words', async t => {
  const server = await openStatus(t, three)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    t.match(await get(server, '/status', { method }), {
      status: 405,
      headers: { allow: 'GET, HEAD', connection: 'close' },
      body: 'Only GET and HEAD.\n',
    })
  }
  for (const path of ['/nothing', '/status/', '/__proto__', '/constructor', '//status']) {
    t.match(await get(server, path), { status: 404, body: /There is \/ \/uplot.js .* \/status/ }, path)
  }
  const long = await get(server, '/status', { headers: { cookie: 'x'.repeat(9_000) } })
  t.equal(long.status, 431)
})

t.test('a page of somebody else cannot reach it under another name (DNS rebinding)', async t => {
  const server = await openStatus(t, three)
  for (const [host, status] of [
    ['localhost', 200],
    ['LOCALHOST:1234', 200],
    ['127.0.0.1', 200],
    ['127.1.2.3:80', 200],
    ['[::1]:9000', 200],
    ['[::ffff:127.0.0.1]', 200],
    ['evil.example', 403],
    ['evil.example:9000', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['10.0.0.1', 403],
    ['[::2]', 403],
    ['[fe80::1%25eth0]', 403],
    ['localhost:evil', 403],
  ] as const) {
    for (const path of ['/', '/status', '/healthz']) {
      t.equal((await get(server, path, { headers: { host } })).status, status, `${host} ${path}`)
    }
  }
  const nameless = connect(server.address.port, '127.0.0.1')
  nameless.end('GET /status HTTP/1.0\r\n\r\n')
  t.match(await text(nameless), /^HTTP\/1\.1 403 /)
  for (const [headers, status] of [
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, 403],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 200],
    [{ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, 200],
  ] as const) {
    t.equal((await get(server, '/status', { headers })).status, status)
  }
})

t.test('with a token, what it protects is given to those who bring it, under any name', async t => {
  const server = await openStatus(t, three, { port: 0, token: TOKEN })
  const host = 'status.example'
  for (const path of ['/status', '/metrics', '/events']) {
    for (const authorization of [
      '',
      `Bearer ${TOKEN}x`,
      'Bearer',
      `Basic ${TOKEN}`,
      `Bearer ${TOKEN.slice(1)}`,
    ]) {
      t.match(
        await get(server, path, { headers: { host, authorization } }),
        { status: 401, headers: { 'www-authenticate': /^Bearer/ }, body: /Authorization: Bearer/ },
        `${path} ${authorization}`,
      )
    }
  }
  t.equal((await get(server, '/status', { headers: { host } })).status, 401, 'no token at all')
  for (const scheme of ['Bearer', 'bearer']) {
    const { status } = await get(server, '/status', {
      headers: { host, authorization: `${scheme} ${TOKEN}` },
    })
    t.equal(status, 200)
  }
  for (const path of ['/', '/uplot.js', '/healthz']) t.equal((await get(server, path)).status, 200, path)
})

t.test('options that would open it to others, or are none, are refused', async t => {
  for (const [options, message] of [
    [{}, "serveStatus() needs an address: give it 'port', or the 'path' of a unix socket."],
    [{ port: 70_000 }, /'port' is a whole number, from 0 to 65535/],
    [
      { port: 0, host: '0.0.0.0' },
      /'host' is 0\.0\.0\.0, which other machines can reach.*BYWASH_STATUS_TOKEN/,
    ],
    [{ port: 0, host: '::' }, /'host' is ::/],
    [{ port: 0, host: '[::ffff:10.0.0.1]' }, /other machines can reach/],
    [{ port: 0, host: 'my.localhost' }, /other machines can reach/],
    [{ port: 0, host: '::1%lo' }, /other machines can reach/],
    [{ port: 0, token: 'short' }, /'token' is 16 to 512 characters/],
    [{ port: 0, token: 'with spaces in it, and long' }, /'token' is 16 to 512 characters/],
    [{ port: 0, token: 1 }, /'token' is 16 to 512 characters/],
    [{ port: 0, mode: 0o660 }, /'mode' is for the file of a unix socket/],
    [{ port: 0, path: '/tmp/s' }, /'path' and 'port' do not go together/],
    [{ path: 'x'.repeat(104) }, /'path' has at most 103 bytes/],
    [{ socket: 1 }, /serveStatus\(\) has no option 'socket'/],
  ] as const) {
    await t.rejects(serveStatus(three, options as never), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  }
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '::1', '127.9.9.9']) {
    t.equal(statusSettings({ port: 0, host }).isOpenToBrowsers, true, host)
  }
  const open = statusSettings({ port: 9000, host: '0.0.0.0', token: TOKEN })
  t.strictSame(open, {
    bind: { host: '0.0.0.0', port: 9000, backlog: 128 },
    token: TOKEN,
    allowTap: false,
    isOpenToBrowsers: false,
  })
})

t.test('an address that is taken is said in words', async t => {
  const { address } = await openStatus(t, three)
  await t.rejects(serveStatus(three, { port: address.port }), {
    code: 'ERR_BYWASH_BIND',
    message: `bind failed: 127.0.0.1:${address.port} is already in use; choose another port, or stop the program that has it`,
  })
})

t.test('a unix socket is for the owner alone, answers under any name, and goes with the server', async t => {
  const path = join(socketFolder(t), 'status')
  const server = await serveStatus(three, { path })
  t.equal(server.url, `unix:${path}`)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal((await get(server, '/status', { headers: { host: 'anything' } })).status, 200)
  await server.close()
  await server.close()
  t.notOk(existsSync(path))
  const open = await openStatus(t, three, { path, mode: 0o660 })
  t.equal(statSync(path).mode & 0o777, 0o660)
  await open.close()
})

t.test('/readyz says why a program is not ready', async t => {
  const clock = fakeClock()
  const one = source()
  const sources: StatusSource[] = []
  const server = await openStatus(t, sources, { port: 0 }, clock)
  const ready = async () => {
    clock.advance(1_000)
    const { status, body } = await get(server, '/readyz')
    return [status, body]
  }
  t.strictSame(await ready(), [503, 'there is no listener\n'])
  sources.push(one)
  t.strictSame(await ready(), [200, 'ready\n'])
  one.changing.state = 'closing'
  one.changing.connections = { open: 1, handshaking: 0, limit: 10 }
  t.strictSame(await ready(), [503, '127.0.0.1:7000 is closing; 1 connection is open\n'])
  one.changing.connections = { open: 2, handshaking: 0, limit: 10 }
  one.changing.state = 'suspended'
  t.strictSame(await ready(), [503, '127.0.0.1:7000 is suspended; 2 connections are open\n'])
  one.changing.state = 'closed'
  t.strictSame(await ready(), [503, '127.0.0.1:7000 is closed\n'])
  sources.push(broken)
  t.strictSame(await ready(), [503, 'the worker is gone\n'])
  t.match(await get(server, '/status'), {
    status: 500,
    body: 'The status could not be had: the worker is gone.\n',
  })
  t.equal((await get(server, '/healthz')).status, 200, 'it lives')
})

t.test('a source that does not answer is waited for so long, and no longer', async t => {
  const clock = fakeClock()
  let asked = () => {}
  const isAsked = new Promise<void>(resolve => {
    asked = resolve
  })
  const silent: StatusSource = {
    status: () => {
      asked()
      return new Promise(() => {})
    },
  }
  const server = await openStatus(t, silent, { port: 0 }, clock)
  const answer = get(server, '/status')
  await isAsked
  clock.advance(5_000)
  t.match(await answer, { status: 500, body: 'The status could not be had: no status within 5 s.\n' })
})

t.test('however many ask, a source is asked once in a moment', async t => {
  const clock = fakeClock()
  const one = source()
  const server = await openStatus(t, one, { port: 0 }, clock)
  await Promise.all(Array.from({ length: 20 }, () => get(server, '/status')))
  t.equal(one.asked(), 1)
  clock.advance(101)
  await Promise.all(['/metrics', '/status', '/readyz'].map(path => get(server, path)))
  t.equal(one.asked(), 2)
})

/** The data of the next event of a response. */
async function nextEvent(response: AsyncIterator<string>) {
  const { value } = await response.next()
  const [, name, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(value) ?? []
  return { name, data: JSON.parse(data ?? 'null') }
}

t.test('/events sends one event at once and one each second, and ends with the server', async t => {
  const clock = fakeClock()
  const one = source()
  const sources: StatusSource[] = [one]
  const server = await openStatus(t, sources, { port: 0 }, clock)
  const response = await ask(server, '/events')
  t.match(response.headers, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const events = response.setEncoding('utf8')[Symbol.asyncIterator]()
  t.strictSame(await nextEvent(events), { name: 'status', data: [one.changing] })
  one.changing.state = 'closing'
  clock.advance(1_000)
  t.strictSame(await nextEvent(events), { name: 'status', data: [one.changing] })
  sources.push(broken)
  clock.advance(1_000)
  t.strictSame(await nextEvent(events), { name: 'failure', data: 'Error: the worker is gone' })
  t.match(await get(server, '/events', { method: 'HEAD' }), { status: 200, body: '' })
  const asked = one.asked()
  response.destroy()
  const other = await ask(server, '/events')
  await once(other, 'data')
  t.ok(one.asked() >= asked)
  const ended = once(other, 'close')
  other.resume().on('error', () => {})
  await server.close()
  await ended
})

t.test('nobody is asked when nobody watches any more', async t => {
  const clock = fakeClock()
  const one = source()
  const server = await openStatus(t, one, { port: 0 }, clock)
  const response = await ask(server, '/events')
  await once(response, 'data')
  response.destroy()
  // The server hears of it at some time.
  while (clock.pending > 0) await new Promise(setImmediate)
  const asked = one.asked()
  clock.advance(10_000)
  t.equal(one.asked(), asked)
})

t.test('watchers are bounded, and one that has gone makes room', async t => {
  const server = await openStatus(t, source(), { port: 0 }, fakeClock())
  const responses = []
  for (let count = 0; count < 32; count++) responses.push(await ask(server, '/events'))
  t.match(await get(server, '/events'), {
    status: 503,
    headers: { 'retry-after': '10' },
    body: 'Too many readers of events.\n',
  })
  responses[0]?.destroy()
  let status: number | undefined = 503
  while (status === 503) status = (await ask(server, '/events')).statusCode
  t.equal(status, 200)
})

/** A response that keeps what is written in memory while its reader is stalled. */
class FakeResponse extends EventEmitter {
  writableLength = 0
  written = 0
  isStalled = false

  write(text: string): void {
    this.written++
    if (this.isStalled) this.writableLength += text.length
  }

  destroy(): void {
    this.emit('close')
  }
}

t.test('a watcher that does not read is dropped, and no more than one event waits for it', async t => {
  const clock = fakeClock()
  const watchers = new Watchers(new Snapshots(three, clock), clock)
  const [good, slow, stalled] = [new FakeResponse(), new FakeResponse(), new FakeResponse()]
  let isDropped = false
  stalled.on('close', () => {
    isDropped = true
  })
  stalled.isStalled = slow.isStalled = true
  for (const response of [good, slow, stalled]) await watchers.add(response as unknown as ServerResponse)
  for (let second = 1; second <= 6; second++) {
    t.equal(isDropped, false, `second ${second}`)
    // One that reads again before its time is over stays.
    if (second === 5) slow.writableLength = 0
    clock.advance(1_000)
    await new Promise(setImmediate)
  }
  t.equal(isDropped, true)
  t.strictSame([good.written, slow.written, stalled.written], [7, 2, 1])
  good.emit('close')
  slow.emit('close')
  t.equal(clock.pending, 0)
  const gone = new FakeResponse()
  const added = watchers.add(gone as unknown as ServerResponse)
  gone.emit('close')
  await added
  t.equal(gone.written, 0, 'nothing is written to one that left meanwhile')
  t.equal(clock.pending, 0)
})

t.test('without the package uplot there are no curves, and no failure', async t => {
  t.equal((await readUplot('uPlot.min.css', null)).length, 0, 'in a bundle in CommonJS')
  t.equal((await readUplot('nothing.js')).length, 0)
})
