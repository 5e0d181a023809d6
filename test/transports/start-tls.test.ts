import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import {
  type Connection,
  type Controller,
  lines,
  map,
  type Outcome,
  pipeline,
  type Stage,
  stage,
  take,
  toLines,
} from '../../lib/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { PLANS } from '../plans.js'
import { connectTcp } from '../tcp-client.js'
import { identity, pem } from './certificates.js'
import { connectTls, secure } from './tls-client.js'

const tls = identity('server')
const brief = ({ reason, error }: Outcome) => [reason, error?.message]

type Hook = (controller: Controller<string>, connection: Connection) => void

/** Answers each line with its number; STARTTLS goes over to TLS, with hooks before and behind the call. */
function starting(
  options = tls,
  {
    before = () => {},
    after = () => {},
    upgrades = true,
  }: { before?: Hook; after?: Hook; upgrades?: boolean } = {},
): Stage<string, string> {
  return stage<string, string>({
    name: 'starting',
    accepts: 'line',
    emits: 'line',
    upgrades,
    open: connection => {
      let count = 0
      return {
        async transform(line, controller) {
          if (line === 'STARTTLS') {
            controller.enqueue('go ahead')
            before(controller, connection)
            await connection.startTls(options)
            after(controller, connection)
          } else controller.enqueue(`${++count} ${line} ${connection.tls?.protocol ?? 'plain'}`)
        },
      }
    },
  })
}

const list = (stage: Stage<string, string> = starting()) =>
  pipeline().through(lines()).through(stage).through(toLines())

for (const plan of PLANS) {
  t.test(
    `${plan}: the list goes on over TLS, and what came in plaintext behind the request is discarded`,
    async t => {
      const { port, ended } = await serveLocally(t, list(), { plan })
      const client = await connectTcp(t, port)
      await client.send('one\nSTARTTLS\ninjected\ninjected half')
      t.equal(String(await client.receive('ahead\n')), '1 one plain\ngo ahead\n')
      const safe = await secure(client)
      safe.end('two\nthree\n')
      t.equal(String(await safe.receive()), '2 two TLSv1.3\n3 three TLSv1.3\n')
      t.match(await ended(1), [{ reason: 'end', error: undefined, bytesRead: 23, bytesWritten: 51 }])
    },
  )

  t.test(`${plan}: a stage may become another list over TLS, before and behind the handshake`, async t => {
    const next = list(map('safe', (line, { tls }) => `${line} ${tls?.protocol}`))
    const become: Hook = controller => controller.become(next)
    for (const hooks of [{ before: become }, { after: become }]) {
      const { port, ended } = await serveLocally(t, list(starting(tls, hooks)), { plan })
      const client = await connectTcp(t, port)
      await client.send('STARTTLS\ninjected\n')
      await client.receive('ahead\n')
      const safe = await secure(client)
      safe.end('two\n')
      t.equal(String(await safe.receive()), 'two TLSv1.3\n')
      t.match(await ended(1), [{ reason: 'end' }])
    }
  })

  t.test(`${plan}: later stages that wait give what they have in plaintext first`, async t => {
    const slow = map('slow', async (line: string) => {
      await new Promise(resolve => setImmediate(resolve))
      return line.toUpperCase()
    })
    const { port } = await serveLocally(
      t,
      pipeline().through(lines()).through(starting()).through(slow).through(toLines()),
      { plan },
    )
    const client = await connectTcp(t, port)
    await client.send('one\nSTARTTLS\n')
    t.equal(String(await client.receive('AHEAD\n')), '1 ONE PLAIN\nGO AHEAD\n')
    const safe = await secure(client)
    safe.end('two\n')
    t.equal(String(await safe.receive()), '2 TWO TLSV1.3\n')
  })
}

t.test('what stages give during the handshake leaves over TLS', async t => {
  let own: Controller<string> | undefined
  const { port } = await serveLocally(
    t,
    list(
      starting(tls, {
        before: controller => {
          own = controller
        },
      }),
    ),
  )
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  own?.enqueue('secret')
  own?.endOutput()
  const safe = await secure(client)
  t.equal(String(await safe.receive()), 'secret\n')
  safe.end()
})

t.test('a handshake that fails ends the connection as with a listener of TLS', async t => {
  const { port, ended } = await serveLocally(t, list())
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  await client.send('MAIL FROM:<a@b>\r\n')
  t.equal(String(await client.receive()), 'error: this port speaks TLS\n')
  client.end()
  t.strictSame((await ended(1)).map(brief), [
    ['refused', 'TLS handshake failed: the client did not speak TLS.'],
  ])
})

t.test('a client that goes before or in the handshake is a client that has gone', async t => {
  const { port, ended } = await serveLocally(t, list())
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  client.reset()
  t.equal((await ended(1))[0]?.reason, 'client-reset')
  const other = await connectTcp(t, port)
  other.end('STARTTLS\n')
  t.equal(String(await other.receive()), 'go ahead\n')
  t.equal((await ended(2))[1]?.reason, 'client-reset', 'FIN is no handshake')
})

t.test('a handshake has a deadline, and the connection has none meanwhile', async t => {
  const clock = fakeClock()
  const { port, ended } = await serveLocally(t, list(starting({ ...tls, handshakeTimeout: 3000 } as never)), {
    clock,
    idleTimeout: 1000,
  })
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  while (clock.pending < 2) await new Promise(resolve => setImmediate(resolve))
  clock.advance(2500)
  clock.advance(500)
  await client.receive()
  client.end()
  t.strictSame((await ended(1)).map(brief), [
    ['refused', "TLS handshake failed: it took longer than 3 s ('handshakeTimeout')."],
  ])
})

t.test('a listener that closes waits for the handshake, and no longer than its time', async t => {
  const { port, listener, ended } = await serveLocally(t, list())
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  const closed = listener.close()
  const safe = await secure(client)
  await safe.send('two\n')
  t.match(String(await safe.receive()), /^(2 two TLSv1.3\n)?$|1 two/)
  safe.end()
  await closed
  t.match(await ended(1), [{ reason: 'shutdown' }])

  const clock = fakeClock()
  const forced = await serveLocally(t, list(), { clock })
  const other = await connectTcp(t, forced.port)
  await other.send('STARTTLS\n')
  await other.receive('ahead\n')
  await new Promise(resolve => setTimeout(resolve, 20))
  const over = forced.listener.close({ timeout: 5 })
  clock.advance(5)
  await over
  t.strictSame((await forced.ended(1)).map(brief), [['shutdown', undefined]])
})

t.test('a stage that fails in the handshake ends the connection without a word', async t => {
  let own: { connection: Connection; controller: Controller<string> } | undefined
  const errors: string[] = []
  const { port, ended } = await serveLocally(
    t,
    list(
      starting(tls, {
        before: (controller, connection) => {
          own = { controller, connection }
        },
      }),
    ),
    { maxPending: 1000, onError: ({ message }) => errors.push(message) },
  )
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  await new Promise(resolve => setTimeout(resolve, 20))
  own?.controller.enqueue('x'.repeat(2000))
  t.equal(String(await client.receive().catch(() => '')), '')
  t.equal((await ended(1))[0]?.reason, 'slow-consumer')
})

t.test('the promise rejects when there is no handshake, and nobody has to catch it', async t => {
  const seen: string[] = []
  const careless = stage<string, string>({
    name: 'careless',
    accepts: 'line',
    emits: 'line',
    upgrades: true,
    open: connection => ({
      transform: line => {
        const promise = connection.startTls(line === 'bad' ? ({ cert: 'x', key: 'y' } as never) : tls)
        promise.catch(error => seen.push(error.message))
      },
    }),
  })
  const { port, ended } = await serveLocally(t, list(careless))
  const client = await connectTcp(t, port)
  await client.send('bad\n')
  await client.receive()
  client.end()
  t.match((await ended(1)).map(brief), [
    [
      'stage-error',
      /^Stage 'careless' failed in startTls\(\): connection.startTls\(\): 'cert' is no certificate/,
    ],
  ])
  const gone = await connectTcp(t, port)
  await gone.send('good\n')
  gone.reset()
  await ended(2)
  t.equal(seen.length, 2)
})

t.test('startTls() says what is wrong with its use', async t => {
  const messageOf = async (made: Stage<string, string>, options: object, over: 'tcp' | 'tls' = 'tcp') => {
    const { port, ended } = await serveLocally(t, list(made), options)
    const client = over === 'tls' ? await connectTls(t, port) : await connectTcp(t, port)
    await client.send('STARTTLS\n')
    await client.receive()
    client.end()
    return String((await ended(1))[0]?.error?.message)
  }
  const inStage = "Stage 'starting' failed in transform: connection.startTls():"
  t.match(
    await messageOf(starting(tls, { upgrades: false }), {}),
    `${inStage} give the stage that calls it 'upgrades: true'`,
  )
  t.match(
    await messageOf(starting(tls, { upgrades: false }), { plan: 'streams' }),
    `${inStage} give the stage`,
  )
  t.match(await messageOf(starting(), { tls }, 'tls'), `${inStage} the connection speaks TLS already.`)
  const twice = starting(tls, { before: (_controller, connection) => void connection.startTls(tls) })
  const again = await serveLocally(t, list(twice))
  const impatient = await connectTcp(t, again.port)
  await impatient.send('STARTTLS\n')
  await impatient.receive('ahead\n')
  const safe = await secure(impatient)
  t.equal(String(await safe.receive()), '')
  safe.end()
  t.match((await again.ended(1))[0]?.error?.message, `${inStage} the connection speaks TLS already.`)

  const inMemory = connect(list())
  inMemory.send('STARTTLS\n')
  await inMemory.receive()
  inMemory.end()
  t.equal((await inMemory.outcome).error?.message, `${inStage} the connection has no socket.`)
  t.strictSame(
    await runStage(starting(), ['a', 'STARTTLS', 'b']),
    ['1 a plain', 'go ahead', '2 b plain'],
    'a test of a stage has no handshake',
  )
  await t.rejects(runStage(starting(tls, { upgrades: false }), ['STARTTLS']), /give the stage that calls it/)
  const { Connection: Alone } = await import('../../lib/index.js')
  t.throws(() => new Alone(1).startTls(tls), { code: 'ERR_BYWASH_INVALID_OPTION' })

  let own: Connection | undefined
  const { port, ended } = await serveLocally(
    t,
    pipeline()
      .through(lines())
      .through(
        starting(tls, {
          before: (_controller, connection) => {
            own = connection
          },
        }),
      )
      .through(take(1))
      .through(toLines()),
  )
  const client = await connectTcp(t, port)
  client.end('a\n')
  await client.receive()
  await ended(1)
  t.equal(own, undefined)
})

t.test(
  'handle() goes over to TLS on the socket of a server of Node, again with the same options',
  async t => {
    const outcomes: Promise<Outcome>[] = []
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      outcomes.push(list().handle(socket))
    }).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    for (let count = 0; count < 2; count++) {
      const client = await connectTcp(t, port)
      await client.send('STARTTLS\n')
      await client.receive('ahead\n')
      const safe = await secure(client, { ca: pem('authority') })
      safe.end('two\n')
      t.equal(String(await safe.receive()), '1 two TLSv1.3\n')
    }
    t.match(await Promise.all(outcomes), [{ reason: 'end' }, { reason: 'end' }])
  },
)

const LONG = 'x'.repeat(4_194_304)
const giveMuch: Hook = controller => controller.enqueue(LONG)

t.test('output that the client has not taken yet leaves in front of the handshake', async t => {
  const { port, ended } = await serveLocally(t, list(starting(tls, { before: giveMuch })))
  const client = await connectTcp(t, port)
  await client.send('STARTTLS\n')
  await client.receive('ahead\n')
  t.equal((await client.receive(LONG.length + 1)).length, LONG.length + 1)
  const safe = await secure(client)
  safe.end('two\n')
  t.equal(String(await safe.receive()), '1 two TLSv1.3\n')
  t.match(await ended(1), [{ reason: 'end' }])
})

t.test('a client that ends or resets while output waits in front of the handshake has gone', async t => {
  for (const leave of ['end', 'reset'] as const) {
    const { port, ended } = await serveLocally(t, list(starting(tls, { before: giveMuch })))
    const client = await connectTcp(t, port)
    await client.send('STARTTLS\n')
    await client.receive('ahead\n')
    client[leave]()
    await client.receive()
    t.match(await ended(1), [{ reason: 'client-reset' }], leave)
  }
})

t.test('what comes while the stage waits in front of the call is discarded, too', async t => {
  let begin = () => {}
  let goOn = () => {}
  const begun = new Promise<void>(resolve => {
    begin = resolve
  })
  const gate = new Promise<void>(resolve => {
    goOn = resolve
  })
  const waiting = stage<string, string>({
    name: 'waiting',
    accepts: 'line',
    emits: 'line',
    upgrades: true,
    open: connection => ({
      async transform(line, controller) {
        if (line !== 'STARTTLS') {
          controller.enqueue(line)
          return
        }
        begin()
        await gate
        controller.enqueue('go ahead')
        await connection.startTls(tls)
      },
    }),
  })
  let served: Socket | undefined
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    served = socket
    void list(waiting).handle(socket)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = await connectTcp(t, (server.address() as { port: number }).port)
  await client.send('STARTTLS\n')
  await begun
  await client.send('injected\n')
  while (served?.readableLength === 0) await new Promise(resolve => setImmediate(resolve))
  goOn()
  await client.receive('ahead\n')
  const safe = await secure(client)
  safe.end('two\n')
  t.equal(String(await safe.receive()), 'two\n')
})

t.test('a connection whose input has ended does not go over to TLS', async t => {
  const late = stage<string, string>({
    name: 'late',
    accepts: 'line',
    emits: 'line',
    upgrades: true,
    open: connection => ({ flush: () => void connection.startTls(tls) }),
  })
  const { port, ended } = await serveLocally(t, list(late))
  const client = await connectTcp(t, port)
  client.end()
  t.match((await ended(1)).map(brief), [['stage-error', /the connection ends already/]])
})
