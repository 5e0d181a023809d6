import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { ipBytes, ipText, mapped } from '../../lib/net/ip-address.js'
import { runs } from '../runs.js'

t.test('reads an IPv4 address of four decimal bytes', async t => {
  t.same(ipBytes('192.0.2.1'), Buffer.from([192, 0, 2, 1]))
  t.same(ipBytes('0.0.0.0'), Buffer.alloc(4))
})

t.test('reads an IPv6 address, with one double colon and dots at its end', async t => {
  t.equal(ipBytes('2001:DB8::1')?.toString('hex'), '20010db8000000000000000000000001')
  t.equal(ipBytes('::')?.toString('hex'), '0'.repeat(32))
  t.equal(ipBytes('1::')?.toString('hex'), `0001${'0'.repeat(28)}`)
  t.equal(ipBytes('1:2:3:4:5:6:7:8')?.toString('hex'), '00010002000300040005000600070008')
  t.equal(ipBytes('64:ff9b::192.0.2.1')?.toString('hex'), '0064ff9b0000000000000000c0000201')
  t.equal(ipBytes('1:2:3:4:5:6:192.0.2.1')?.toString('hex'), '000100020003000400050006c0000201')
})

t.test('takes an IPv4-mapped address for the IPv4 address', async t => {
  t.same(ipBytes('::ffff:192.0.2.1'), Buffer.from([192, 0, 2, 1]))
  t.same(ipBytes('::FFFF:c000:201'), Buffer.from([192, 0, 2, 1]))
  t.equal(ipText(mapped(Buffer.from([192, 0, 2, 1]))), '192.0.2.1')
})

for (const text of [
  ...[
    '',
    '1.2.3',
    '1.2.3.4.5',
    '999.1.1.1',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.04',
    '1.2.3.4 ',
    '+1.2.3.4',
    '0x1.2.3.4',
    '1..2.3',
    '1.2.3.',
  ],
  ...[
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    '::g',
    '::1%eth0',
    '1:',
    ':1',
    ':1::',
  ],
  ...[
    '::1.2.3',
    '::256.1.1.1',
    '::1.2.3.4:5',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1::1.2.3.4',
    '1.2.3.4::1.2.3.4',
  ],
]) {
  t.test(`finds no address in ${JSON.stringify(text)}`, async t => {
    t.equal(ipBytes(text), undefined)
  })
}

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(bytes => Buffer.from(bytes))
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65_535 })), { minLength: 8, maxLength: 8 })
  .map(groups => Buffer.from(groups.flatMap(group => [group >> 8, group & 255])))
  // Those that end with dots for Node.
  .filter(bytes => !/^0{20}(?:0{4}|f{4})/.test(bytes.toString('hex')))

t.test('reads what it writes, as Node does', async t => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), bytes => {
      const address = ipText(bytes)
      const family = bytes.length === 4 ? 'ipv4' : 'ipv6'
      t.same(ipBytes(address), bytes)
      t.equal(new SocketAddress({ address, family }).address, address)
    }),
    { numRuns: runs(500) },
  )
  t.equal(ipText(Buffer.alloc(16)), '::')
})

t.test('agrees with Node about what is an address', async t => {
  const piece = fc.constantFrom(
    '',
    '0',
    '1',
    'ff',
    'fffff',
    ':',
    '::',
    '.',
    '255',
    '256',
    '01',
    '%a',
    '1.2.3.4',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const text = pieces.join('')
      t.equal(ipBytes(text) !== undefined, (isIPv4(text) || isIPv6(text)) && !text.includes('%'), text)
    }),
    { numRuns: runs(2000) },
  )
})
