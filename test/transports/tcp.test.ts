import { EventEmitter, once } from 'node:events'
import { connect, type NetConnectOpts } from 'node:net'
import { networkInterfaces } from 'node:os'
import t, { type Test } from 'tap'
import { formatAddress, formatBound } from '../../lib/address.js'
import { type Connection, type ListenOptions, listen, type Outcome } from '../../lib/index.js'
import { echo } from '../../lib/presets/index.js'
import { clientOf } from '../tcp-client.js'

const hasIPv6 = Object.values(networkInterfaces())
  .flat()
  .some(one => one?.address === '::1')
const skip = hasIPv6 ? false : 'this machine has no IPv6'

async function serve(t: Test, options: ListenOptions) {
  const events = new EventEmitter()
  const over = once(events, 'over') as Promise<[Outcome, Connection]>
  const onOutcome = (outcome: Outcome, connection: Connection) =>
    void events.emit('over', outcome, connection)
  const listener = await listen(echo.pipeline(), { port: 0, ...options, onOutcome })
  t.teardown(() => listener.close({ timeout: 0 }))
  return { listener, over }
}

async function exchange(t: Test, options: NetConnectOpts): Promise<string> {
  const socket = connect({ ...options, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const client = clientOf(socket)
  client.end('hello')
  return (await client.receive()).toString()
}

t.test('IPv4', async t => {
  const { listener, over } = await serve(t, { host: '127.0.0.1' })
  const { address, family, port } = listener.address
  t.strictSame([address, family], ['127.0.0.1', 'IPv4'])
  t.equal(formatBound(listener.address), `127.0.0.1:${port}`)
  t.equal(await exchange(t, { host: '127.0.0.1', port }), 'hello')
  const [{ reason }, { remoteAddress }] = await over
  t.strictSame([reason, remoteAddress], ['end', '127.0.0.1'])
})

t.test('IPv6', { skip }, async t => {
  const { listener, over } = await serve(t, { host: '::1' })
  const { address, family, port } = listener.address
  t.strictSame([address, family], ['::1', 'IPv6'])
  t.equal(formatBound(listener.address), `[::1]:${port}`)
  t.equal(await exchange(t, { host: '::1', port }), 'hello')
  const [, { remoteAddress, remotePort }] = await over
  t.equal(formatAddress(remoteAddress, remotePort), `[::1]:${remotePort}`)
})

t.test(':: takes IPv4 too, and a list of denied addresses means its clients', { skip }, async t => {
  const open = await serve(t, { host: '::' })
  t.equal(await exchange(t, { host: '127.0.0.1', port: open.listener.address.port }), 'hello')
  t.equal((await open.over)[1].remoteAddress, '::ffff:127.0.0.1')
  const shut = await serve(t, { host: '::', deny: ['127.0.0.0/8'] })
  const { port } = shut.listener.address
  t.equal(await exchange(t, { host: '127.0.0.1', port }), 'error: address not allowed\n')
  t.equal((await shut.over)[0].reason, 'refused')
  t.equal(await exchange(t, { host: '::1', port }), 'hello')
})

t.test('a host that has no address here cannot be bound', async t => {
  const cases = [
    ['192.0.2.1', 'bind failed: 192.0.2.1 is not an address of this machine'],
    ['no-such-host.invalid', 'bind failed: there is no host named no-such-host.invalid'],
  ] as const
  for (const [host, message] of cases) {
    await t.rejects(listen(echo.pipeline(), { host, port: 0 }), { code: 'ERR_BYWASH_BIND', message })
  }
})
