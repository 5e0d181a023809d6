import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ListenerSet } from '../../../lib/cli/serving/listener-set.js'
import { readConfiguration } from '../../../lib/config/file/configuration.js'
import { BindError, pipeline } from '../../../lib/index.js'
import { Listener } from '../../../lib/listener/listener.js'
import { freePorts } from '../../free-port.js'
import { serveLocally } from '../../listener/local-listener.js'
import { socketFolder } from '../../socket-folder.js'
import { connectTcp, exchange } from '../../tcp-client.js'
import { pathOf } from '../../transports/certificates.js'
import { connectTls } from '../../transports/tls-client.js'

/** The listeners of a file, from `name listen pipeline` each. */
async function entries(...listeners: (readonly [string, string, string])[]) {
  const items = listeners.map(
    ([name, listen, pipeline]) =>
      `  - { name: ${name}, listen: { ${listen.startsWith('path') ? '' : 'host: 127.0.0.1, '}${listen} }, pipeline: ${pipeline} }\n`,
  )
  const { configuration, problems } = await readConfiguration(`listeners:\n${items.join('')}`, {
    environment: {},
    folder: '.',
    readsCertificates: true,
  })
  if (configuration === undefined) throw new Error(JSON.stringify(problems))
  return configuration.listeners
}

const UPPER = '[lines, uppercase, toLines]'
const LOWER = '[lines, lowercase, toLines]'

/** Listeners for the length of a test. */
function start(t: Test) {
  const set = new ListenerSet(() => ({}))
  t.teardown(() => set.close({ timeout: 0 }))
  const apply = async (...listeners: (readonly [string, string, string])[]) =>
    set.apply(await entries(...listeners), '')
  return { set, apply }
}

const portIn = (line: string | undefined) => Number(/:(\d+)(?:;.*)?$/.exec(line ?? '')?.[1])

const answer = async (t: Test, port: number) => String(await exchange(t, port, ['Hi\n']))

/** A client that has sent a line and got its answer. */
async function talking(t: Test, port: number) {
  const client = await connectTcp(t, port)
  const say = async (text: string) => {
    await client.send(`${text}\n`)
    return String(await client.receive('\n'))
  }
  await say('first')
  return { client, say }
}

async function refused(port: number): Promise<void> {
  const [error] = await once(connect({ host: '127.0.0.1', port }), 'error')
  if (error.code !== 'ECONNREFUSED') throw error
}

t.test('listeners are bound, and say where', async t => {
  const { set, apply } = start(t)
  t.notOk(set.isServing)
  const lines = await apply(['a', 'port: 0', UPPER], ['b', 'port: 0', LOWER])
  t.ok(set.isServing)
  t.match(
    [...set].map(listener => listener instanceof Listener),
    [true, true],
    'and which',
  )
  t.match(lines, [/^a: listening on 127\.0\.0\.1:\d+$/, /^b: listening on 127\.0\.0\.1:\d+$/])
  t.equal(await answer(t, portIn(lines[0])), 'HI\n')
  t.equal(await answer(t, portIn(lines[1])), 'hi\n')
  t.strictSame(await set.close({}), { forced: 0 })
  t.notOk(set.isServing)
})

t.test('a listener that is added, removed or stays is told apart by its name', async t => {
  const { apply } = start(t)
  const [a, b] = (await apply(['a', 'port: 0', UPPER], ['b', 'port: 0', UPPER])).map(portIn) as [
    number,
    number,
  ]
  const { say } = await talking(t, a)
  const lines = await apply(['b', 'port: 0', UPPER], ['c', 'port: 0', LOWER])
  t.strictSame(lines, [
    `c: listening on 127.0.0.1:${portIn(lines[0])}`,
    `a: no longer on 127.0.0.1:${a}; 1 open connection finishes`,
  ])
  await refused(a)
  t.equal(await say('on'), 'ON\n', 'what is open goes on')
  t.equal(await answer(t, b), 'HI\n')
  t.strictSame(await apply(['c', 'port: 0', LOWER], ['b', 'port: 0', UPPER]), [], 'order means nothing')
})

t.test('a listener that moves leaves its connections where they are', async t => {
  const { set, apply } = start(t)
  const [from, to] = (await freePorts(2)) as [number, number]
  await apply(['a', `port: ${from}`, UPPER])
  const { client, say } = await talking(t, from)
  t.strictSame(await apply(['a', `port: ${to}`, LOWER]), [
    `a: moved from 127.0.0.1:${from} to 127.0.0.1:${to}; 1 open connection finishes on the old one`,
  ])
  await refused(from)
  t.equal(await answer(t, to), 'hi\n')
  t.equal(await say('Still'), 'STILL\n')
  client.end('End')
  t.equal(String(await client.receive()), 'END\n')
  t.strictSame(await set.close({}), { forced: 0 })
})

t.test('two listeners change places', async t => {
  const { apply } = start(t)
  const [one, other] = (await freePorts(2)) as [number, number]
  await apply(['a', `port: ${one}`, UPPER], ['b', `port: ${other}`, LOWER])
  const { say } = await talking(t, one)
  t.match(await apply(['a', `port: ${other}`, UPPER], ['b', `port: ${one}`, LOWER]), [
    /^a: moved /,
    /^b: moved /,
  ])
  t.equal(await answer(t, one), 'hi\n')
  t.equal(await answer(t, other), 'HI\n')
  t.equal(await say('Still'), 'STILL\n')
})

t.test(
  "options and pipeline change while the address stays bound, also one of the system's choice",
  async t => {
    const { apply } = start(t)
    const [line] = await apply(['a', 'port: 0, maxConnections: 3', UPPER])
    const port = portIn(line)
    const { say } = await talking(t, port)
    t.strictSame(await apply(['a', 'port: 0, maxConnections: 2', LOWER]), [
      'a: new options; 1 open connection finishes with the old ones',
    ])
    const next = await talking(t, port)
    t.equal(await next.say('New'), 'new\n')
    t.equal(await say('Old'), 'OLD\n')
    const third = await connectTcp(t, port)
    t.equal(String(await third.receive()), 'error: too many connections\n', 'older ones count too')
    t.strictSame(await apply(['a', 'port: 0, maxConnections: 3', LOWER]), [
      'a: new options; 2 open connections finish with the old ones',
    ])
    t.equal(await answer(t, port), 'hi\n')
  },
)

t.test('connections go on being numbered when options change', async t => {
  const numbers: number[] = []
  const set = new ListenerSet(() => ({
    onOutcome: (_outcome, { id }) => numbers.push(id),
  }))
  t.teardown(() => set.close({ timeout: 0 }))
  const [entry] = await entries(['a', 'port: 0', 'echo'])
  const apply = (idleTimeout: number) =>
    set.apply([{ ...entry!, listen: { ...entry!.listen, idleTimeout } }], '')
  const port = portIn((await apply(1000))[0])
  await answer(t, port)
  await apply(2000)
  await answer(t, port)
  const [first = 0] = numbers
  t.strictSame(numbers, [first, first + 1])
})

t.test('no connection is lost while options change', async t => {
  const { apply } = start(t)
  const port = portIn((await apply(['a', 'port: 0', UPPER]))[0])
  let isOver = false
  const client = async () => {
    let count = 0
    while (!isOver) {
      if ((await answer(t, port)) !== 'HI\n') throw new Error('no answer')
      count++
    }
    return count
  }
  const clients = Array.from({ length: 8 }, client)
  for (let time = 1; time <= 10; time++) {
    await apply(['a', `port: 0, idleTimeout: ${time}m`, UPPER])
    await answer(t, port)
  }
  isOver = true
  for (const count of await Promise.all(clients)) t.ok(count > 0)
})

t.test('what belongs to the socket is bound anew on the same port', async t => {
  const { apply } = start(t)
  const [port] = (await freePorts(1)) as [number]
  await apply(['a', `port: ${port}`, UPPER])
  const { say } = await talking(t, port)
  t.strictSame(await apply(['a', `port: ${port}, noDelay: false`, LOWER]), [
    `a: bound anew on 127.0.0.1:${port}; 1 open connection finishes on the old one`,
  ])
  t.equal(await answer(t, port), 'hi\n')
  t.equal(await say('Old'), 'OLD\n')
})

t.test('a certificate changes while the address stays bound', async t => {
  const { apply } = start(t)
  const tls = (name: string) =>
    `port: 0, tls: { cert: ${JSON.stringify(pathOf(name))}, key: ${JSON.stringify(pathOf(`${name}-key`))} }`
  const port = portIn((await apply(['a', tls('server'), UPPER]))[0])
  const old = await connectTls(t, port)
  const serial = old.socket.getPeerCertificate().serialNumber
  t.strictSame(await apply(['a', tls('renewed'), UPPER]), [
    'a: new options; 1 open connection finishes with the old ones',
  ])
  const renewed = await connectTls(t, port)
  t.not(renewed.socket.getPeerCertificate().serialNumber, serial)
  for (const client of [old, renewed]) {
    client.end('Hi\n')
    t.equal(String(await client.receive()), 'HI\n')
  }
})

t.test('a listener moves from one unix socket to another', async t => {
  const { apply } = start(t)
  // A path of t.testdir() is too long for a unix socket.
  const folder = socketFolder(t)
  const [one, other] = [`${folder}/one.sock`, `${folder}/other.sock`]
  t.strictSame(await apply(['a', `path: ${one}`, UPPER]), [`a: listening on ${one}`])
  const client = connect({ path: one, allowHalfOpen: true })
  t.teardown(() => client.destroy())
  await once(client, 'connect')
  client.write('Hi\n')
  t.equal(String((await once(client, 'data'))[0]), 'HI\n')
  t.strictSame(await apply(['a', `path: ${other}`, UPPER]), [
    `a: moved from ${one} to ${other}; 1 open connection finishes on the old one`,
  ])
  t.notOk(existsSync(one))
  client.end('Bye\n')
  t.equal(String((await once(client, 'data'))[0]), 'BYE\n')
})

t.test('when one address cannot be bound, nothing has changed', async t => {
  const { apply } = start(t)
  const taken = await serveLocally(t, pipeline())
  const [a, b, c] = (await freePorts(3)) as [number, number, number]
  await apply(['a', `port: ${a}`, UPPER], ['b', `port: ${b}`, UPPER])
  await t.rejects(
    apply(
      ['a', `port: ${b}`, LOWER],
      ['b', `port: ${a}`, LOWER],
      ['c', `port: ${c}`, LOWER],
      ['d', `port: ${taken.port}`, LOWER],
    ),
    new BindError(
      `bind failed: 127.0.0.1:${taken.port} is already in use; choose another port, or stop the program that has it`,
    ),
  )
  for (const port of [a, b]) t.equal(await answer(t, port), 'HI\n')
  await refused(c)
  t.strictSame(await apply(['a', `port: ${a}`, UPPER], ['b', `port: ${b}`, UPPER]), [])
})

t.test('a listener that could not take back its address has it again with the next change', async t => {
  const { apply } = start(t)
  const taken = await serveLocally(t, pipeline())
  const [port] = (await freePorts(1)) as [number]
  await apply(['a', `port: ${port}`, UPPER])
  const { resume } = Listener.prototype
  let isBroken = true
  t.intercept(Listener.prototype, 'resume', {
    value(this: Listener) {
      return isBroken ? Promise.reject(new BindError('bind failed: gone')) : resume.call(this)
    },
  })
  await t.rejects(
    apply(['b', `port: ${port}`, LOWER], ['c', `port: ${taken.port}`, LOWER]),
    new BindError(
      `bind failed: 127.0.0.1:${taken.port} is already in use; choose another port, or stop the program that has it; ` +
        `no longer bound, until a reload succeeds: 'a'`,
    ),
  )
  await refused(port)
  isBroken = false
  t.strictSame(await apply(['a', `port: ${port}`, UPPER]), [])
  t.equal(await answer(t, port), 'HI\n')
})

t.test(
  'close() waits for a change, and ends what is open, also on listeners that are gone or changed',
  async t => {
    const { set, apply } = start(t)
    const lines = await apply(['a', 'port: 0', '[lines, toLines]'], ['b', 'port: 0', '[lines, toLines]'])
    for (const line of lines) {
      const { client } = await talking(t, portIn(line))
      await client.send('unfinished')
    }
    await apply(['b', 'port: 0, idleTimeout: 1h', UPPER])
    const applied = set.apply(await entries(['c', 'port: 0', UPPER]), '')
    const closed = set.close({ timeout: 0 })
    t.match(await applied, [/^c: listening on /, /^b: no longer on /])
    t.strictSame(await closed, { forced: 2 })
    await refused(portIn((await applied)[0]))
  },
)
