import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../lib/clock.js'
import type { Endpoints } from '../../lib/connection.js'
import { type AddressRange, parseAddressRange } from '../../lib/listener/address/address-range.js'
import { Admission } from '../../lib/listener/admission.js'

interface Limits {
  readonly maxConnections?: number
  readonly maxConnectionsPerAddress?: number
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

function admission({
  maxConnections = Infinity,
  maxConnectionsPerAddress = Infinity,
  allow,
  deny,
}: Limits): Admission {
  const ranges = (list: readonly string[] | undefined) =>
    list?.map(text => parseAddressRange(text) as AddressRange)
  return new Admission({ maxConnections, maxConnectionsPerAddress, allow: ranges(allow), deny: ranges(deny) })
}

const isServed = (limits: Limits, address: string | undefined) =>
  admission(limits).admit({ remoteAddress: address }) === undefined

t.test('as many connections as the limit are served, and one more is told why not', async t => {
  const limits = admission({ maxConnections: 2 })
  t.equal(limits.enter(1), undefined)
  t.match(limits.enter(2), {
    code: 'ERR_BYWASH_REFUSED',
    reason: 'refused',
    message: "There were 2 connections already ('maxConnections').",
    farewell: 'too many connections',
  })
  t.equal(limits.admit({}), undefined, 'also where there are no addresses')
  t.match(limits.enter(1, false), {
    code: 'ERR_BYWASH_REFUSED',
    message: /^The limit of \S+ open files leaves no descriptor for another connection; raise it/,
  })
})

t.test('each address has its own count, and gets back what it left', async t => {
  const limits = admission({ maxConnectionsPerAddress: 2 })
  const refused = (ends: Endpoints) => limits.admit(ends)
  const connect = (ends: Endpoints) => {
    t.equal(limits.admit(ends), undefined)
    return limits.connect(ends, systemClock)
  }
  const full = {
    message: "There were 2 connections from 192.0.2.1 already ('maxConnectionsPerAddress').",
    farewell: 'too many connections from your address',
  }
  const first = connect({ remoteAddress: '192.0.2.1' })
  // The same address on a dual-stack socket.
  const second = connect({ remoteAddress: '::ffff:192.0.2.1' })
  t.match(refused({ remoteAddress: '192.0.2.1' }), full)
  t.match(refused({ remoteAddress: '::ffff:192.0.2.1' }), full)
  connect({ remoteAddress: '192.0.2.2' })
  const nowhere = connect({ remoteAddress: undefined })
  limits.release(second)
  limits.release(nowhere)
  const third = connect({ remoteAddress: '192.0.2.1' })
  for (const connection of [first, first, third]) limits.release(connection)
  connect({ remoteAddress: '192.0.2.1' })
  connect({ remoteAddress: '192.0.2.1' })
  t.match(refused({ remoteAddress: '192.0.2.1' }), full, 'what was given back twice counts once')
})

t.test('rules that change are those of connections that enter from then on', async t => {
  const any = { maxConnections: 1, maxConnectionsPerAddress: Infinity, allow: undefined, deny: undefined }
  const limits = new Admission(any)
  const ends = { remoteAddress: '192.0.2.1' }
  const uncounted = limits.connect(ends, systemClock)
  t.match(limits.enter(1), { rule: 'max-connections' })
  limits.change({ ...any, maxConnections: 2, maxConnectionsPerAddress: 1 })
  t.equal(limits.enter(1), undefined)
  t.equal(limits.admit(ends), undefined)
  const counted = limits.connect(ends, systemClock)
  limits.release(uncounted)
  t.match(
    limits.admit(ends),
    { rule: 'max-connections-per-address' },
    'who was not counted gives nothing back',
  )
  limits.change(any)
  t.equal(limits.admit(ends), undefined)
  limits.change({ ...any, maxConnectionsPerAddress: 1 })
  t.match(limits.admit(ends), { rule: 'max-connections-per-address' }, 'who was counted still is')
  limits.release(counted)
  t.equal(limits.admit(ends), undefined)
  limits.change({ ...any, deny: [parseAddressRange('192.0.2.0/24')!] })
  t.match(limits.admit(ends), { rule: 'address' })
})

t.test('who is denied is refused, also where it is allowed; who is not allowed is refused', async t => {
  const lists = { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.1.0.0/16'] }
  for (const address of ['10.2.0.1', '::ffff:10.2.0.1', '2001:db8::1', 'fe80::1%lo']) {
    t.equal(isServed(lists, address), !address.startsWith('fe80'), address)
  }
  for (const address of ['10.1.0.1', '::ffff:10.1.0.1', '192.0.2.1', '2001:db9::1', '::1']) {
    t.match(admission(lists).admit({ remoteAddress: address }), {
      code: 'ERR_BYWASH_REFUSED',
      message: `Connections from ${address.replace('::ffff:', '')} are not allowed.`,
      farewell: 'address not allowed',
    })
  }
  t.notOk(isServed({ deny: ['fe80::/10'] }, 'fe80::1%eth0'), 'a zone does not hide an address')
})

t.test('an IPv4-mapped address does not slip through, however the range is written', async t => {
  for (const range of ['10.1.1.0/24', '::ffff:10.1.1.0/120', '::ffff:a01:100/120', '::ffff:0:0/96', '::/0']) {
    for (const address of ['10.1.1.1', '::ffff:10.1.1.1']) {
      t.notOk(isServed({ deny: [range] }, address), `${address} in ${range}`)
      t.ok(isServed({ allow: [range] }, address), `${address} in ${range}`)
    }
  }
})

t.test('a list says the same of an address and of the same address mapped', async () =>
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, base, prefix) => {
      const deny = { deny: [`${base}/${prefix}`] }
      const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0
      const number = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
      const isInside = (number(address) & mask) === (number(base) & mask)
      return (
        isServed(deny, address) === !isInside &&
        isServed(deny, `::ffff:${address}`) === !isInside &&
        isServed({ allow: deny.deny }, `::ffff:${address}`) === isInside
      )
    }),
  ),
)
