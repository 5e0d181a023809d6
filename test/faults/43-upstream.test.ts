import dns from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { servedBy } from './pipelines.js'

/** A server that sends everything back, until it is told to behave badly. */
async function serveBadly(t: Test): Promise<{ server: Server; port: number; stalled: readonly Socket[] }> {
  const stalled: Socket[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    let stalls = false
    t.teardown(() => socket.destroy())
    socket
      .on('data', chunk => {
        const said = chunk.toString()
        stalls ||= said === 'stall\n' || said === 'reset\n'
        if (said === 'stall\n') stalled.push(socket)
        if (said === 'reset\n') socket.write('half an ans', () => socket.resetAndDestroy())
        else if (said === 'end\n') socket.end('all\n')
        else if (!stalls && socket.writable) socket.write(chunk)
      })
      .on('end', () => {
        if (!stalls) socket.end()
      })
      .on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  servedBy.address = `127.0.0.1:${port}`
  return { server, port, stalled }
}

for (const plan of PLANS) {
  const clock = fakeClock()
  const target = { pipeline: 'proxied', options: { plan, halfCloseTimeout: 10_000 }, clock } as const

  t.test(`43: upstream resets in mid-answer (${plan})`, async t => {
    await serveBadly(t)
    await underFault(t, { ...target, reasons: { 'upstream-error': 1 } }, async ({ client, ended }) => {
      const victim = await client()
      victim.end('reset\n')
      t.equal((await victim.receive(11)).toString(), 'half an ans', 'what came before arrives')
      await t.rejects(victim.receive(), { cause: { code: 'ECONNRESET' } }, 'and a reset stays a reset')
      const [{ message } = {}] = await ended(1)
      t.match(message, /'upstream' lost 127.0.0.1:\d+: it has reset the connection/)
    })
  })

  t.test(`43: upstream refuses (${plan})`, async t => {
    const { server, port } = await serveBadly(t)
    const reasons = { 'upstream-error': 1, end: 1 }
    await underFault(t, { ...target, reasons }, async ({ client, ended }) => {
      server.close()
      const victim = await client()
      t.equal(
        (await victim.receive()).toString(),
        'error: the server behind this one is not available\n',
        'a farewell',
      )
      victim.end()
      const [{ message } = {}] = await ended(1)
      t.match(message, /cannot connect to 127.0.0.1:\d+: nobody listens there/)
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      const other = await client()
      other.end('again')
      t.equal((await other.receive()).toString(), 'again', 'the next one is tried anew')
    })
  })

  t.test(`43: upstream has a name that is not found any more (${plan})`, async t => {
    const { port } = await serveBadly(t)
    const name = 'behind.invalid'
    servedBy.address = `${name}:${port}`
    const { lookup } = dns
    t.teardown(() => {
      dns.lookup = lookup
    })
    let isKnown = true
    const look = (hostname: string, options: object, done: (...found: unknown[]) => void) => {
      if (hostname !== name) lookup(hostname, options, done)
      else if (isKnown) lookup('127.0.0.1', options, done)
      else done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }))
    }
    dns.lookup = look as typeof lookup
    const reasons = { 'upstream-error': 1, end: 1 }
    await underFault(t, { ...target, reasons }, async ({ client, ended }) => {
      isKnown = false
      const victim = await client()
      t.equal(
        (await victim.receive()).toString(),
        'error: the server behind this one is not available\n',
        'a farewell',
      )
      victim.end()
      const [{ message } = {}] = await ended(1)
      t.match(message, /'upstream' cannot connect to behind.invalid:\d+: there is no such host/)
      isKnown = true
      const other = await client()
      other.end('again')
      t.equal((await other.receive()).toString(), 'again', 'the next one is looked up anew')
    })
  })

  t.test(`43: upstream half-closes (${plan})`, async t => {
    await serveBadly(t)
    await underFault(t, { ...target, reasons: { end: 1 } }, async ({ client, ended }) => {
      const victim = await client()
      await victim.send('end\n')
      t.equal((await victim.receive()).toString(), 'all\n', 'its end passes')
      await victim.send('more')
      victim.end()
      await ended(1)
    })
  })

  t.test(`43: upstream stalls (${plan})`, async t => {
    const { stalled } = await serveBadly(t)
    await underFault(t, { ...target, reasons: { 'upstream-error': 1 } }, async ({ client, pass, ended }) => {
      const victim = await client()
      await victim.send('stall\n')
      victim.end()
      const late = ended(1)
      let isOver = false
      void late.then(() => {
        isOver = true
      })
      while (!isOver) await pass(10_000)
      t.match((await late)[0]?.message, /has waited 10 s for 127.0.0.1:\d+/)
      t.match((await victim.receive()).toString(), /^error: the server behind/)
      // One that has ended and is not written to does not hear of a reset.
      for (const socket of stalled) socket.destroy()
    })
  })
}
