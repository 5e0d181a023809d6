import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startCommand } from '../cli/start-command.js'
import { connectTcp, type TcpClient } from '../tcp-client.js'

const skip = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed'

/** The limit of open files, and what of it is for connections. */
const LIMIT = 200
const CAPACITY = LIMIT - 64
const REFUSED = 'error: too many connections\n'

/** Starts a server that has few descriptors. */
const start = (t: Test, argv: readonly string[], options: { readonly preload?: string } = {}) =>
  startCommand(t, [...argv, '--log', 'text'], { ...options, through: ['prlimit', `--nofile=${LIMIT}`] })

/** Connects clients one after the other, so that those that are refused are the last; gives what each was told. */
async function crowd(t: Test, ports: readonly number[], count: number) {
  const clients: TcpClient[] = []
  const answers: string[] = []
  for (let number = 0; number < count; number++) {
    const client = await connectTcp(t, ports[number % ports.length] ?? 0)
    await client.send('hello\n')
    answers.push(String(await client.receive('\n')))
    clients.push(client)
  }
  return { clients, answers }
}

const told = (served: number, refused: number) => [
  ...Array<string>(served).fill('hello\n'),
  ...Array<string>(refused).fill(REFUSED),
]

/** Ends clients, and waits until the server has closed them. */
async function leave(clients: readonly TcpClient[]): Promise<void> {
  for (const { socket } of clients) socket.end().resume()
  await Promise.all(clients.map(({ closed }) => closed))
}

t.test('36: descriptor limit with several listeners', { skip }, async t => {
  const listener = (name: string) =>
    `  - { name: ${name}, listen: { host: 127.0.0.1, port: 0 }, pipeline: echo }\n`
  const folder = t.testdir({ 'bywash.yaml': `listeners:\n${listener('one')}${listener('two')}` })
  const { child, logged, log, exited } = start(t, ['serve', join(folder, 'bywash.yaml')])
  const [, one] = await logged(/one: listening on 127\.0\.0\.1:(\d+)\n/)
  const [, two] = await logged(/two: listening on 127\.0\.0\.1:(\d+)\n/)
  const ports = [Number(one), Number(two)]
  const { clients, answers } = await crowd(t, ports, CAPACITY + 10)
  t.strictSame(answers, told(CAPACITY, 10))
  await logged(
    /\[(one|two)\] refused: .*The limit of 200 open files leaves no descriptor for another connection/,
    10,
  )
  await leave(clients)
  t.strictSame((await crowd(t, ports, 2)).answers, told(2, 0), 'it recovers')
  child.kill('SIGTERM')
  await exited
  t.equal(log().match(/refused/g)?.length, 10)
})

t.test('36: descriptor limit after a reload', { skip }, async t => {
  const file = (port: number | string, options = '') =>
    `listeners:\n  - { name: a, listen: { host: 127.0.0.1, port: ${port}${options} }, pipeline: echo }\n`
  const folder = t.testdir({ 'bywash.yaml': file(0) })
  const path = join(folder, 'bywash.yaml')
  const { child, logged } = start(t, ['serve', path])
  const [, first] = await logged(/a: listening on 127\.0\.0\.1:(\d+)\n/)
  const before = await crowd(t, [Number(first)], 100)
  writeFileSync(path, file(0, ', idleTimeout: 1h'))
  child.kill('SIGHUP')
  await logged(/a: new options; 100 open connections finish with the old ones\n/)
  const { clients, answers } = await crowd(t, [Number(first)], CAPACITY - 100 + 5)
  t.strictSame(answers, told(CAPACITY - 100, 5), 'connections of before count')
  await leave(before.clients)
  t.strictSame((await crowd(t, [Number(first)], 50)).answers, told(50, 0))
  await leave(clients)
})

t.test('36: descriptor limit with a maxConnections above it', { skip }, async t => {
  const argv = ['echo', '--host', '127.0.0.1', '--port', '0', '--max-connections', '1000']
  const { logged } = start(t, argv)
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  await logged(
    /'maxConnections' allows 1000 connections per process, but the limit of 200 open files leaves 136; more are refused/,
  )
  t.strictSame((await crowd(t, [Number(port)], CAPACITY + 3)).answers, told(CAPACITY, 3))
})

t.test('36: descriptor limit of workers: each has its own', { skip }, async t => {
  const argv = ['echo', '--host', '127.0.0.1', '--port', '0', '--max-connections', '1000', '--workers', '2']
  // Says when a worker is ready.
  const folder = t.testdir({
    'preload.mjs': `
      import { writeSync } from 'node:fs'
      const { send } = process
      if (send !== undefined) process.send = (message, ...rest) => {
        if (message?.bywash === 'ready') writeSync(2, 'a worker is ready\\n')
        return send.call(process, message, ...rest)
      }`,
  })
  const { logged, log } = start(t, argv, { preload: join(folder, 'preload.mjs') })
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  await logged(
    /'maxConnections' allows 500 connections per process, but the limit of 200 open files leaves 136/,
  )
  t.equal(log().match(/maxConnections' allows/g)?.length, 1, 'the primary says it')
  await logged(/a worker is ready\n/, 2)
  const { answers } = await crowd(t, [Number(port)], 2 * CAPACITY + 3)
  const served = answers.filter(answer => answer === 'hello\n').length
  t.equal(served, 2 * CAPACITY)
  t.strictSame(answers, told(served, 3))
})

t.test('36: descriptor limit with tee: all connections share one for a file', { skip }, async t => {
  const folder = t.testdir({})
  const [one, two] = ['one', 'two'].map(name => join(folder, name)) as [string, string]
  const argv = ['run', `tee --to ${one} | tee --to ${two} | tee --to ${one}`]
  const { child, logged, log, exited } = start(t, [...argv, '--host', '127.0.0.1', '--port', '0'])
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  const served = CAPACITY - 2
  const { clients, answers } = await crowd(t, [Number(port)], served + 10)
  t.strictSame(answers, told(served, 10))
  await logged(/refused: .*The limit of 200 open files leaves no descriptor for another connection/, 10)
  await leave(clients)
  t.strictSame((await crowd(t, [Number(port)], 2)).answers, told(2, 0), 'it recovers')
  child.kill('SIGTERM')
  await exited
  t.equal(log().match(/refused/g)?.length, 10)
  t.equal(readFileSync(two, 'utf8'), 'hello\n'.repeat(served + 2), 'who was refused is in no copy')
  t.equal(readFileSync(one, 'utf8'), 'hello\n'.repeat(2 * (served + 2)))
})

t.test('36: descriptors that a stage takes without saying so', { skip }, async t => {
  const folder = t.testdir({
    'greedy.mjs': `
      import { openSync } from 'node:fs'
      import { map } from ${JSON.stringify(new URL('../../dist/index.js', `file://${process.cwd()}/test/faults/`).href)}
      export const greedy = map('greedy', line => {
        for (let file = 0; file < 4; file++) openSync('/dev/null')
        return line
      })`,
  })
  const { logged } = start(t, [
    ...['run', 'lines | greedy | to-lines', '--import', join(folder, 'greedy.mjs')],
    ...['--host', '127.0.0.1', '--port', '0'],
  ])
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  const answers: string[] = []
  for (let number = 0; number < 60; number++) {
    const client = await connectTcp(t, Number(port))
    await client.send('hello\n')
    answers.push(String(await client.receive('\n').catch(() => 'nothing')))
  }
  const refused = answers.filter(answer => answer === REFUSED).length
  t.ok(refused > 20, `${refused} were told`)
})
