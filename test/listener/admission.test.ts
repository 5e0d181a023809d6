import fc from 'fast-check'
import t from 'tap'
import { Connection } from '../../lib/connection.js'
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
  const full = {
    message: "There were 2 connections from 192.0.2.1 already ('maxConnectionsPerAddress').",
    farewell: 'too many connections from your address',
  }
  t.equal(limits.admit({ remoteAddress: '192.0.2.1' }), undefined)
  t.equal(
    limits.admit({ remoteAddress: '::ffff:192.0.2.1' }),
    undefined,
    'the same address on a dual-stack socket',
  )
  t.match(limits.admit({ remoteAddress: '192.0.2.1' }), full)
  t.match(limits.admit({ remoteAddress: '::ffff:192.0.2.1' }), full)
  t.equal(limits.admit({ remoteAddress: '192.0.2.2' }), undefined)
  t.equal(limits.admit({ remoteAddress: undefined }), undefined)
  limits.release(new Connection(1, { remoteAddress: '::ffff:192.0.2.1' }))
  limits.release(new Connection(1))
  t.equal(limits.admit({ remoteAddress: '192.0.2.1' }), undefined)
  limits.release(new Connection(1, { remoteAddress: '192.0.2.1' }))
  limits.release(new Connection(1, { remoteAddress: '192.0.2.1' }))
  limits.release(new Connection(1, { remoteAddress: '192.0.2.1' }))
  t.equal(
    limits.admit({ remoteAddress: '192.0.2.1' }),
    undefined,
    'one too many does not count below nothing',
  )
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
