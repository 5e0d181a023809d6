import assert from 'node:assert/strict'
import { once } from 'node:events'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  asyncMap,
  type Frame,
  HandshakeError,
  InvalidOptionError,
  jsonLines,
  lengthPrefixed,
  lines,
  listen,
  map,
  type Pipeline,
  pipeline,
  stage,
  take,
  toJsonLines,
  toLengthPrefixed,
  toLines,
  uppercase,
  welcome,
} from '../../lib/index.js'
import type { WebSocketOptions } from '../../lib/listener/websocket/websocket-options.js'
import { FakeSocket } from '../../lib/testing/fake-socket.js'
import { fakeClock } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { PLANS } from '../plans.js'
import { runs } from '../runs.js'
import { connectTcp } from '../tcp-client.js'
import { identity, pem } from './certificates.js'
import {
  clientFrame,
  closeFrame,
  codeOf,
  connectRaw,
  connectWebSocket,
  framesLeft,
  framesOf,
  framesToClose,
  nextFrame,
  OPCODES,
  REQUEST,
} from './websocket-client.js'

const websocket = true

const shout = () => pipeline().through(lines()).through(uppercase()).through(toLines())
const echo = () => pipeline()
const frames = () =>
  pipeline()
    .through(lengthPrefixed())
    .through(
      map('reverse', (frame: Frame) => Buffer.from(frame).reverse() as Frame, {
        accepts: 'frame',
        emits: 'frame',
      }),
    )
    .through(toLengthPrefixed())

/** Answers lines until one says `go`; behind that, and its answer, the connection has another list. */
const becoming = (list: Pipeline<Buffer, Buffer>, { answer = 'gone\n', waits = false } = {}) =>
  pipeline()
    .through(lines())
    .through(
      stage<string, string>({
        name: 'becoming',
        accepts: 'line',
        emits: 'line',
        upgrades: true,
        open: () => ({
          async transform(line, controller) {
            if (line !== 'go') {
              controller.enqueue(line.toUpperCase())
              return
            }
            controller.reply(Buffer.from(answer))
            if (waits) await new Promise(setImmediate)
            controller.become(list)
          },
        }),
      }),
    )
    .through(toLines())

/** Sends messages, and gives what came back up to a clean close. */
async function talk(
  t: Test,
  list: Pipeline<Buffer, Buffer>,
  options: WebSocketOptions,
  messages: readonly (string | Buffer)[],
) {
  const { port, ended } = await serveLocally(t, list, { websocket: options })
  const client = await connectWebSocket(t, port)
  for (const message of messages) client.webSocket.send(message)
  client.webSocket.close(1000)
  const answer = await client.rest()
  return { ...answer, outcome: (await ended(1))[0] }
}

for (const plan of PLANS) {
  t.test(`a message is a line, and each line a message (${plan})`, async t => {
    const { port, ended, listener } = await serveLocally(t, shout(), { websocket, plan })
    const { webSocket, next, rest } = await connectWebSocket(t, port)
    webSocket.send('hello')
    t.equal(await next(), 'HELLO')
    webSocket.send('with a delimiter\r\n')
    t.equal(await next(), 'WITH A DELIMITER')
    webSocket.send(Buffer.from('two\nlines'))
    t.strictSame([await next(), await next()], ['TWO', 'LINES'])
    webSocket.send('')
    t.equal(await next(), '')
    webSocket.close()
    t.strictSame(await rest(), { messages: [], code: 1005 })
    t.match(await ended(1), [{ reason: 'end', error: undefined, bytesRead: 35, bytesWritten: 34 }])
    t.equal(listener.connections, 0)
  })

  t.test(`messages of any lines come back, one for each, however the frames are cut (${plan})`, async t => {
    const { port } = await serveLocally(t, shout(), { websocket, plan })
    const line = fc.string({ maxLength: 40 }).map(text => text.replace(/[\r\n]/g, ''))
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (list, places) => {
          const wire = Buffer.concat([
            ...list.flatMap((text, index) => {
              const bytes = Buffer.from(text)
              const at = (places[index] ?? 0) % (bytes.length + 1)
              return [
                clientFrame(OPCODES.text, bytes.subarray(0, at), { isFinal: false }),
                clientFrame(OPCODES.ping, 'between'),
                clientFrame(OPCODES.continuation, bytes.subarray(at)),
              ]
            }),
            closeFrame(1000),
          ])
          const cuts = [
            0,
            ...places.map(place => place % (wire.length + 1)).sort((a, b) => a - b),
            wire.length,
          ]
          const client = await connectRaw(t, port)
          for (const [index, end] of cuts.slice(1).entries())
            await client.send(wire.subarray(cuts[index], end))
          const got = (await framesLeft(client)).filter(({ opcode }) => opcode !== OPCODES.pong)
          assert.deepEqual(
            got.slice(0, -1).map(({ payload }) => payload.toString()),
            list.map(text => text.replace(/[a-z]/g, letter => letter.toUpperCase())),
          )
          assert.equal(got.at(-1)?.opcode, OPCODES.close)
          client.socket.destroy()
        },
      ),
      { numRuns: runs(60) },
    )
  })

  t.test(`bytes are a stream, whatever the borders of messages (${plan})`, async t => {
    const { port } = await serveLocally(t, echo(), { websocket, plan })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), async list => {
        const client = await connectRaw(t, port)
        await client.send(Buffer.concat(list.map(part => clientFrame(OPCODES.binary, Buffer.from(part)))))
        await client.send(closeFrame(1000))
        const got = await framesLeft(client)
        assert.deepEqual(
          Buffer.concat(got.filter(({ opcode }) => opcode === OPCODES.binary).map(({ payload }) => payload)),
          Buffer.concat(list),
        )
        client.socket.destroy()
      }),
      { numRuns: runs(60) },
    )
  })

  t.test(`behind become() messages are what the next list makes of them (${plan})`, async t => {
    const { port } = await serveLocally(t, becoming(echo()), { websocket, plan })
    const { webSocket, next, rest } = await connectWebSocket(t, port)
    webSocket.send('a')
    t.equal(await next(), 'A')
    webSocket.send('go')
    t.equal(await next(), 'gone', 'a line of the first list')
    webSocket.send(Buffer.of(0xff, 0, 0x80))
    t.strictSame(await next(), Buffer.of(0xff, 0, 0x80), 'no line feed is added, nothing is replaced')
    webSocket.close(1000)
    t.strictSame(await rest(), { messages: [], code: 1000 })

    const back = becoming(becoming(becoming(shout(), { answer: 'three' }), { answer: 'two' }), {
      answer: 'one',
    })
    t.strictSame(
      (await talk(t, back, {}, ['a', 'go', 'b', 'go', 'c', 'go', 'd'])).messages,
      ['A', 'oneB', 'twoC', 'threeD'],
      'a line that the list before has begun goes on where both are of lines',
    )
    const named = await talk(t, becoming(echo()), { messages: 'lines', type: 'binary' }, ['go', 'one', 'two'])
    t.strictSame(named.messages.map(String), ['gone', 'one', 'two'], 'unless an option says what they are')
  })

  t.test(`what comes behind become() is exact, however it is cut (${plan})`, async t => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 })
    const cases = [false, true].map(async waits => {
      const { port } = await serveLocally(t, becoming(echo(), { answer: 'half a line', waits }), {
        websocket,
        plan,
      })
      await fc.assert(
        fc.asyncProperty(messages, fc.array(fc.nat({ max: 400 }), { maxLength: 8 }), async (sent, cuts) => {
          const client = await connectRaw(t, port)
          const bytes = Buffer.concat([
            clientFrame(OPCODES.text, Buffer.from('go')),
            ...sent.map(each => clientFrame(OPCODES.binary, Buffer.from(each))),
            closeFrame(1000),
          ])
          let from = 0
          for (const size of cuts) {
            await client.send(bytes.subarray(from, from + size))
            from += size
          }
          client.end(bytes.subarray(from))
          const [first, ...frames] = await framesLeft(client)
          t.match(first, { opcode: OPCODES.text, isFinal: false })
          const [last, ...others] = frames
          t.match(last, { opcode: OPCODES.continuation, isFinal: true })
          const binary = others.filter(({ opcode }) => opcode === OPCODES.binary)
          assert.deepEqual(Buffer.concat(binary.map(({ payload }) => payload)), Buffer.concat(sent))
          assert.equal(codeOf(others.at(-1) as (typeof others)[0]), 1000)
        }),
        { numRuns: runs(20) },
      )
    })
    await Promise.all(cases)
  })

  t.test(`with messages: 'frames' a message is a frame without its length (${plan})`, async t => {
    const { port } = await serveLocally(t, frames(), { websocket: { messages: 'frames' }, plan })
    const { webSocket, next } = await connectWebSocket(t, port)
    for (const message of ['abc', '', 'x'.repeat(60_000), 'é']) {
      webSocket.send(message)
      t.strictSame(await next(), Buffer.from(message).reverse())
    }
  })

  t.test(`what has come before the close is answered, behind it the close frame (${plan})`, async t => {
    const slow = asyncMap('slow', async (line: string) => {
      // Long enough for the FIN to be read.
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      return `${line}!`
    })
    const list = pipeline().through(lines()).through(slow).through(toLines())
    const { port, ended } = await serveLocally(t, list, { websocket, plan })
    const client = await connectRaw(t, port)
    // All of it in one packet, the close frame and FIN too.
    client.end(
      Buffer.concat([
        clientFrame(OPCODES.text, 'one'),
        clientFrame(OPCODES.text, 'two'),
        closeFrame(4000, 'bye'),
      ]),
    )
    const got = await framesLeft(client)
    t.strictSame(got.map(({ payload }) => payload.toString()).slice(0, 2), ['one!', 'two!'])
    t.strictSame(
      got.map(({ opcode }) => opcode),
      [OPCODES.text, OPCODES.text, OPCODES.close],
    )
    t.equal(codeOf(got[2] as never), 4000, "the peer's code comes back")
    t.match(await ended(1), [{ reason: 'end', error: undefined }])
  })
}

t.test('the borders come from the list, unless an option names them', async t => {
  const json = pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
  t.strictSame((await talk(t, json, {}, ['{"a": 1}', '[2]'])).messages, ['{"a":1}', '[2]'], 'lines within')
  const same = pipeline().through(map('same', (chunk: Buffer) => chunk, { accepts: 'bytes', emits: 'bytes' }))
  t.strictSame((await talk(t, same, {}, ['a'])).messages, [Buffer.from('a')], 'bytes, and so binary')
  const polite = shout().through(welcome('Welcome!\nAnd hello.\n'))
  t.strictSame(
    (await talk(t, polite, {}, ['a'])).messages,
    ['Welcome!', 'And hello.', 'A'],
    'a greeting, too',
  )
  const counted = pipeline()
    .through(lines())
    .through(
      map('length', (line: string): Buffer => Buffer.from(`${line.length}`), {
        accepts: 'line',
        emits: 'bytes',
      }),
    )
  t.strictSame((await talk(t, counted, {}, ['abc'])).messages, ['3'], 'any encoder of lines')
  t.strictSame((await talk(t, shout(), { messages: 'bytes' }, ['abc\n'])).messages, [Buffer.from('ABC\n')])
  t.strictSame((await talk(t, shout(), { type: 'binary' }, ['abc'])).messages, [Buffer.from('ABC')])
  t.strictSame((await talk(t, echo(), { type: 'text' }, ['abc', 'é'])).messages.join(''), 'abcé')
})

t.test('a WebSocket does not go over to TLS: wss is TLS from the beginning', async t => {
  const starting = stage<string, string>({
    name: 'starting',
    accepts: 'line',
    emits: 'line',
    upgrades: true,
    open: connection => ({ transform: () => connection.startTls(identity('server')) }),
  })
  const list = pipeline().through(lines()).through(starting).through(toLines())
  const { outcome } = await talk(t, list, {}, ['STARTTLS'])
  t.equal(outcome?.reason, 'stage-error')
  t.match(
    outcome?.error?.message,
    'connection.startTls(): the connection is a WebSocket, whose TLS is that of the listener.',
  )
})

t.test('replace() changes the borders with the pipeline', async t => {
  const { port, listener } = await serveLocally(t, echo(), { websocket })
  await listener.replace(shout())
  const { webSocket, next } = await connectWebSocket(t, port)
  webSocket.send('abc')
  t.equal(await next(), 'ABC')
})

t.test('text that is not UTF-8 goes out with U+FFFD, and a binary message exactly', async t => {
  const bytes = pipeline()
    .through(lines({ encoding: 'latin1' }))
    .through(toLines({ encoding: 'latin1' }))
  const message = Buffer.of(0x61, 0xff, 0x62)
  t.strictSame((await talk(t, bytes, {}, [message])).messages, ['a\u{fffd}b'])
  t.strictSame((await talk(t, bytes, { type: 'binary' }, [message])).messages, [message])
})

t.test('the close frame says why a connection ended', async t => {
  const failing = (throws: boolean) =>
    pipeline()
      .through(lines({ maxLength: 8, invalid: 'error' }))
      .through(
        map('fails', (line: string) => {
          if (throws && line === 'fail') throw new Error('on purpose')
          return line
        }),
      )
      .through(toLines())
  for (const [list, message, code, messages, reason] of [
    [failing(true), 'fail', 1011, [], 'stage-error'],
    [failing(true), 'much too long', 1009, ['error: line is longer than 8 bytes'], 'frame-too-long'],
    [failing(true), Buffer.of(0xff), 1007, ['error: line is not UTF-8'], 'invalid-utf8'],
    [pipeline().through(lines()).through(take(1)).through(toLines()), 'one', 1000, ['one'], 'terminated'],
  ] as const) {
    const { port, ended } = await serveLocally(t, list, { websocket })
    const client = await connectWebSocket(t, port)
    client.webSocket.send(message)
    t.strictSame(await client.rest(), { messages, code }, reason)
    t.match(await ended(1), [{ reason }])
  }
})

t.test(
  'a listener that closes answers what has come, waits for the rest of a message, and says 1001',
  async t => {
    const { port, ended, listener } = await serveLocally(t, shout(), { websocket })
    const whole = await connectWebSocket(t, port)
    const half = await connectRaw(t, port)
    await half.send(clientFrame(OPCODES.text, 'ha', { isFinal: false }))
    whole.webSocket.send('now')
    t.equal(await whole.next(), 'NOW')
    const closed = listener.close()
    t.strictSame(await whole.rest(), { messages: [], code: 1001 })
    await half.send(clientFrame(OPCODES.continuation, 'lf'))
    const [answer, close] = await framesToClose(half)
    t.equal(String(answer?.payload), 'HALF')
    t.equal(codeOf(close as never), 1001)
    t.strictSame(await closed, { forced: 0 })
    t.match(await ended(2), [{ reason: 'shutdown' }, { reason: 'shutdown' }])
  },
)

t.test('a listener that does not wait tells its clients all the same', async t => {
  const clock = fakeClock()
  const { port, listener, ended } = await serveLocally(t, shout(), { websocket, clock })
  const client = await connectRaw(t, port)
  await client.send(clientFrame(OPCODES.text, 'ha', { isFinal: false }))
  const waiting = await connectTcp(t, port)
  await waiting.send('GET / HTTP/1.1\r\n')
  while (listener.connections < 2) await new Promise(setImmediate)
  const closed = listener.close({ timeout: 5 })
  clock.advance(5)
  t.strictSame(await closed, { forced: 2 })
  t.equal(codeOf((await framesToClose(client))[0] as never), 1001)
  t.match(await ended(2), [{ reason: 'shutdown' }, { reason: 'shutdown' }])
})

t.test('a ping is answered, the last one of a read, and a pong is no message', async t => {
  const { port } = await serveLocally(t, shout(), { websocket })
  const client = await connectRaw(t, port)
  await client.send(
    Buffer.concat([
      clientFrame(OPCODES.ping, 'one'),
      clientFrame(OPCODES.pong, 'x'),
      clientFrame(OPCODES.ping, 'two'),
    ]),
  )
  t.strictSame(
    framesOf(await client.receive(5)).frames.map(({ opcode, payload }) => [opcode, String(payload)]),
    [[OPCODES.pong, 'two']],
  )
  await client.send(clientFrame(OPCODES.text, 'a'))
  t.strictSame(
    framesOf(await client.receive(3)).frames.map(({ payload }) => String(payload)),
    ['A'],
  )
})

t.test('a client that is silent gets a ping, and is ended if it does not answer', async t => {
  const clock = fakeClock()
  const { port, ended } = await serveLocally(t, shout(), { websocket: { pingInterval: 4_000 }, clock })
  const client = await connectRaw(t, port)
  const second = async (count: number) => {
    for (let done = 0; done < count; done++) {
      clock.advance(1_000)
      await new Promise(setImmediate)
    }
  }
  await second(5)
  t.equal(framesOf(await client.receive(2)).frames[0]?.opcode, OPCODES.ping)
  await client.send(Buffer.concat([clientFrame(OPCODES.pong), clientFrame(OPCODES.text, 'a')]))
  t.equal(framesOf(await client.receive(3)).frames[0]?.opcode, OPCODES.text)
  await second(5)
  t.equal(framesOf(await client.receive(2)).frames[0]?.opcode, OPCODES.ping, 'another one')
  await second(5)
  const got = await framesToClose(client)
  t.equal(String(got[0]?.payload), 'error: no answer to a ping for 4 s')
  t.equal(codeOf(got[1] as never), 1008)
  t.match(await ended(1), [{ reason: 'idle-timeout', error: { message: /'pingInterval'/ } }])
})

t.test('idleTimeout counts messages, and frameTimeout the time of one', async t => {
  const clock = fakeClock()
  const { port, ended } = await serveLocally(t, shout(), {
    websocket: { pingInterval: 0 },
    idleTimeout: 8_000,
    frameTimeout: 4_000,
    clock,
  })
  const pass = async (count: number, between: () => unknown = () => {}) => {
    for (let done = 0; done < count; done++) {
      await between()
      clock.advance(1_000)
      await new Promise(setImmediate)
    }
  }
  const dribbling = await connectRaw(t, port)
  const frame = clientFrame(OPCODES.text, 'a long message')
  let at = 0
  await pass(7, async () => {
    await dribbling.send(frame.subarray(at, at + 1))
    // A ping of which a part comes before is no part of a message.
    at++
  })
  const [farewell, close] = await framesToClose(dribbling)
  t.equal(String(farewell?.payload), 'error: message took longer than 4 s')
  t.equal(codeOf(close as never), 1008)
  // Its close frame was the rest of its message, so it is waited for.
  await pass(2)
  t.match(await ended(1), [{ reason: 'frame-timeout', error: { message: /'frameTimeout'/ } }])

  const pinging = await connectRaw(t, port)
  const ping = clientFrame(OPCODES.ping)
  await pass(14, async () => {
    await pinging.send(ping.subarray(0, 3))
    await pinging.send(ping.subarray(3))
    await new Promise(setImmediate)
  })
  t.match(await ended(2), [{}, { reason: 'idle-timeout' }], 'pings are no messages, and no unfinished one')
})

t.test('a client that goes away without a close frame is lost', async t => {
  const { port, ended } = await serveLocally(t, shout(), { websocket })
  const ending = await connectRaw(t, port)
  ending.end(clientFrame(OPCODES.text, 'a'))
  const [first] = await ended(1)
  t.match(first, {
    reason: 'client-reset',
    error: { message: 'The client went away without a close frame.' },
  })
  const resetting = await connectRaw(t, port)
  resetting.reset()
  t.match((await ended(2))[1], { reason: 'client-reset', error: { code: 'ECONNRESET' } })
})

t.test('output that waits counts as on a socket: a client that does not read is a slow consumer', async t => {
  const clock = fakeClock()
  const chunk = Buffer.alloc(65_536, 'x')
  const pushing = stage({
    name: 'pushes',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({
      transform(_chunk, controller) {
        setImmediate(() => {
          for (let count = 0; count < 400; count++) controller.enqueue(chunk)
        })
      },
    }),
  })
  const list = pipeline().through(pushing)
  const { port, ended, listener } = await serveLocally(t, list, { websocket, maxPending: 1_000_000, clock })
  const client = await connectRaw(t, port)
  await client.send(clientFrame(OPCODES.text, 'go'))
  while (listener.connections > 0) {
    clock.advance(1_000)
    await new Promise(setImmediate)
  }
  t.match(await ended(1), [{ reason: 'slow-consumer', bytesRead: 2 }])
})

t.test('a client that takes no output is not read, and ends at drainTimeout', async t => {
  const clock = fakeClock()
  const { port, ended, listener } = await serveLocally(t, echo(), { websocket, drainTimeout: 5_000, clock })
  const client = await connectRaw(t, port)
  void client.send(Buffer.concat(Array(400).fill(clientFrame(OPCODES.binary, Buffer.alloc(65_536)))))
  while (listener.connections > 0) {
    clock.advance(100)
    await new Promise(setImmediate)
  }
  const [outcome] = await ended(1)
  t.equal(outcome?.reason, 'drain-timeout')
  t.ok(Number(outcome?.bytesRead) < 300 * 65_536, 'it was not read to the end')
})

/** The head and the body of an answer to a request. */
async function ask(t: Test, port: number, text: string) {
  const client = await connectTcp(t, port)
  await client.send(text)
  const answer = (await client.receive()).toString()
  client.end()
  return answer
}

t.test('what is no WebSocket gets an answer of HTTP, and the connection is refused', async t => {
  const { port, ended, listener } = await serveLocally(t, shout(), { websocket })
  const without = (name: string) =>
    REQUEST.split('\r\n')
      .filter(line => !line.startsWith(name))
      .join('\r\n')
  let count = 0
  for (const [text, answer, message] of [
    [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      /^HTTP\/1.1 426 Upgrade Required\r\n.*Upgrade: websocket\r\n/s,
      'this port speaks WebSocket',
    ],
    [
      'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n',
      /^HTTP\/1.1 426 (?!.*HTTP\/1)/s,
      'this port speaks WebSocket',
    ],
    [without('Sec-WebSocket-Key'), /^HTTP\/1.1 400 /, 'Missing or invalid Sec-WebSocket-Key header'],
    [without('Sec-WebSocket-Version'), /^HTTP\/1.1 400 /, 'Missing or invalid Sec-WebSocket-Version header'],
    ['hello\n\n', /^HTTP\/1.1 400 /, /^this port speaks HTTP: Parse Error/],
    [`GET / HTTP/1.1\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 431 /, /longer than 16384 bytes/],
  ] as const) {
    t.match(await ask(t, port, text), answer)
    const { reason, error } = (await ended(++count)).at(-1) ?? {}
    t.equal(reason, 'refused')
    t.type(error, HandshakeError)
    t.match(error?.message.replace('WebSocket handshake failed: ', '').replace(/\.$/, ''), message)
  }
  t.strictSame([listener.refused, listener.connections], [count, 0])
})

t.test(
  'a request that takes longer than handshakeTimeout is ended, and a client that leaves is not refused',
  async t => {
    const clock = fakeClock()
    const { port, ended, listener } = await serveLocally(t, shout(), {
      websocket: { handshakeTimeout: 2_000 },
      clock,
    })
    const opened = async (count: number) => {
      while (listener.connections < count) await new Promise(setImmediate)
    }
    const slow = await connectTcp(t, port)
    await slow.send('GET / HTTP/1.1\r\n')
    const leaving = await connectTcp(t, port)
    const resetting = await connectTcp(t, port)
    await opened(3)
    leaving.end()
    t.match((await ended(1))[0], { reason: 'client-reset', error: undefined })
    resetting.reset()
    t.match((await ended(2))[1], { reason: 'client-reset' })
    clock.advance(2_000)
    t.match((await ended(3))[2], {
      reason: 'refused',
      error: { message: /took longer than 2 s \('handshakeTimeout'\)/ },
    })
  },
)

t.test('a listener that closes does not wait for connections that have said nothing', async t => {
  const { port, ended, listener } = await serveLocally(t, shout(), { websocket })
  const silent = await connectTcp(t, port)
  const speaking = await connectTcp(t, port)
  await speaking.send(REQUEST.slice(0, 20))
  while (listener.connections < 2) await new Promise(setImmediate)
  const closed = listener.close()
  t.match((await ended(1))[0], { reason: 'shutdown' })
  t.equal((await silent.receive()).length, 0)
  silent.end()
  await speaking.send(REQUEST.slice(20))
  t.match((await speaking.receive('\r\n\r\n')).toString(), /^HTTP\/1.1 101 /)
  t.equal(codeOf((await framesToClose(speaking))[0] as never), 1001)
  t.strictSame(await closed, { forced: 0 })
})

t.test('scripts of other pages may not connect, unless their origin is listed', async t => {
  const status = async (
    origins: WebSocketOptions['origins'],
    origin: string | undefined,
    host = 'localhost:80',
  ) => {
    const { port } = await serveLocally(t, shout(), { websocket: origins === undefined ? true : { origins } })
    const text = REQUEST.replace(
      'Host: localhost',
      `Host: ${host}${origin === undefined ? '' : `\r\nOrigin: ${origin}`}`,
    )
    const client = await connectTcp(t, port)
    await client.send(text)
    const head = (await client.receive('\r\n\r\n')).toString()
    client.socket.destroy()
    return Number(head.slice(9, 12))
  }
  const listed = ['https://chat.example.com']
  for (const [origins, origin, host, expected] of [
    [undefined, undefined, undefined, 101],
    [undefined, 'http://localhost:8080', 'localhost:8080', 101],
    [undefined, 'https://Example.com', 'EXAMPLE.com', 101],
    [undefined, 'http://evil.example', 'localhost:8080', 403],
    [undefined, 'http://localhost:9090', 'localhost:8080', 403],
    [undefined, 'null', 'localhost:8080', 403],
    [listed, 'https://chat.example.com', undefined, 101],
    [listed, 'http://chat.example.com', undefined, 403],
    [listed, 'http://localhost:8080', 'localhost:8080', 403],
    [listed, undefined, undefined, 101],
    [['*'], 'http://evil.example', undefined, 101],
    [['null'], 'null', undefined, 101],
  ] as const) {
    t.equal(await status(origins, origin, host), expected, `${origin} on ${host} with ${origins}`)
  }
})

t.test('limits come first, and are answered as HTTP', async t => {
  const { port, listener } = await serveLocally(t, shout(), { websocket, maxConnections: 1 })
  const { webSocket, next } = await connectWebSocket(t, port)
  t.match(await ask(t, port, ''), /^HTTP\/1.1 503 .*\r\n\r\nerror: too many connections\n$/s)
  t.equal(listener.refused, 1)
  webSocket.send('a')
  t.equal(await next(), 'A')
})

t.test('the page comes with a policy that lets nothing else run, and other paths are not there', async t => {
  const { port, ended } = await serveLocally(t, shout(), { websocket: { page: true } })
  const answer = await fetch(`http://127.0.0.1:${port}/`)
  t.match(await answer.text(), /^<!doctype html>/)
  t.match(answer.headers.get('content-security-policy'), /^default-src 'none'; script-src 'sha256-/)
  t.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' })).status, 200)
  t.equal((await fetch(`http://127.0.0.1:${port}/favicon.ico`)).status, 404)
  t.equal((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x' })).status, 405)
  t.strictSame(
    (await ended(4)).map(({ reason }) => reason),
    ['end', 'end', 'refused', 'refused'],
  )
  const { webSocket, next } = await connectWebSocket(t, port)
  webSocket.send('a')
  t.equal(await next(), 'A')
})

t.test('wss is WebSocket behind a TLS handshake', async t => {
  const { port, ended } = await serveLocally(t, shout(), { websocket: true, tls: identity('server') })
  const { webSocket, next } = await connectWebSocket(t, `wss://localhost:${port}/`, { ca: pem('authority') })
  webSocket.send('a')
  t.equal(await next(), 'A')
  webSocket.close(1000)
  t.match(await ended(1), [{ reason: 'end', error: undefined }])
})

t.test('a subprotocol that a client offers is accepted, and compression is not', async t => {
  const { port } = await serveLocally(t, shout(), { websocket })
  const client = await connectTcp(t, port)
  const offers = 'Sec-WebSocket-Protocol: mqtt, other\r\nSec-WebSocket-Extensions: permessage-deflate'
  await client.send(REQUEST.replace('Host: localhost', `Host: localhost\r\n${offers}`))
  const head = (await client.receive('\r\n\r\n')).toString()
  t.match(head, /^Sec-WebSocket-Protocol: mqtt\r$/m)
  t.notMatch(head, /Extensions/)
})

t.test('wrong options are refused before anything is bound', async t => {
  for (const [given, message] of [
    [5, 'listen(): websocket is true, or an object of options; got 5.'],
    [{ message: 'lines' }, /^listen\(\): websocket has no option 'message'\. It takes messages, type, /],
    [{ messages: 'words' }, /^listen\(\): websocket: 'messages' is one of /],
    [{ maxLength: 0 }, /'maxLength' is .*from 1 /],
    [{ origins: ['example.com'] }, /'origins' is a list of origins, such as .*; got "example\.com"\.$/],
    [{ origins: 'https://example.com/path' }, /'origins' is a list of origins/],
    [{ origins: [5] }, /'origins' is a list of origins/],
  ] as const) {
    await t.rejects(listen(echo(), { port: 0, websocket: given as never }), { message })
    await t.rejects(listen(echo(), { port: 0, websocket: given as never }), InvalidOptionError)
  }
  const listener = await listen(echo(), { port: 0, host: '127.0.0.1', websocket: false })
  const client = await connectTcp(t, listener.address.port)
  client.end('plain')
  t.equal(String(await client.receive()), 'plain', 'false is TCP')
  await listener.close()
})

t.test('to a client that does not read no pong is added, however many pings it sends', async t => {
  const { listener } = await serveLocally(t, shout(), { websocket })
  const duplex = new FakeSocket()
  listener.serve(duplex)
  duplex.send(REQUEST)
  while (!String(duplex.received).includes('\r\n\r\n')) await duplex.changed()
  duplex.stall(true)
  for (let count = 0; count < 1_000; count++) duplex.send(clientFrame(OPCODES.ping, 'x'.repeat(125)))
  while (duplex.waiting > 0) await new Promise(setImmediate)
  t.ok(duplex.writableLength < duplex.writableHighWaterMark + 200, `${duplex.writableLength} bytes wait`)
  duplex.stall(false)
  duplex.destroy()
})

t.test('half a character is no message yet', async t => {
  const { port } = await serveLocally(t, echo(), { websocket: { type: 'text' } })
  const client = await connectRaw(t, port)
  await client.send(clientFrame(OPCODES.binary, Buffer.of(0xc3)))
  await client.send(clientFrame(OPCODES.ping))
  t.equal((await nextFrame(client)).opcode, OPCODES.pong)
  await client.send(clientFrame(OPCODES.binary, Buffer.of(0xa9)))
  t.equal(String((await nextFrame(client)).payload), 'é')
})

t.test('a Duplex that is no socket can be a WebSocket, too', async t => {
  const { listener, ended } = await serveLocally(t, shout(), { websocket })
  const duplex = new FakeSocket()
  listener.serve(duplex)
  duplex.send(REQUEST)
  while (!String(duplex.received).includes('\r\n\r\n')) await duplex.changed()
  duplex.send(clientFrame(OPCODES.text, 'a'))
  duplex.send(closeFrame(1000))
  await once(duplex, 'finish')
  const [, frames = ''] = duplex.received.toString('latin1').split('\r\n\r\n')
  t.strictSame(
    framesOf(Buffer.from(frames, 'latin1')).frames.map(({ opcode }) => opcode),
    [OPCODES.text, OPCODES.close],
  )
  duplex.send(null)
  t.match(await ended(1), [{ reason: 'end' }])
})
