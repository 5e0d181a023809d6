import fc from 'fast-check'
import t from 'tap'
import { parseAddressRange } from '../../../lib/listener/address/address-range.js'
import { listenSettings } from '../../../lib/listener/listen-options.js'

t.test('an address is a range of one, and a prefix makes it larger', async t => {
  for (const [text, address, prefix, family] of [
    ['192.0.2.7', '192.0.2.7', 32, 'ipv4'],
    ['10.0.0.0/8', '10.0.0.0', 8, 'ipv4'],
    ['0.0.0.0/0', '0.0.0.0', 0, 'ipv4'],
    ['2001:db8::', '2001:db8::', 128, 'ipv6'],
    ['2001:db8::/32', '2001:db8::', 32, 'ipv6'],
    ['::/0', '::', 0, 'ipv6'],
    ['::ffff:10.0.0.0/104', '10.0.0.0', 8, 'ipv4'],
    ['::FFFF:10.0.0.1', '10.0.0.1', 32, 'ipv4'],
  ] as const) {
    t.strictSame(parseAddressRange(text), { address, prefix, family }, text)
  }
})

t.test('what is no range is refused with an example', async t => {
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/1e1',
    '2001:db8::/129',
    '::ffff:10.0.0.0/95',
    'fe80::1%eth0/x',
    'localhost',
    7,
    null,
    undefined,
  ]) {
    t.equal(parseAddressRange(text), undefined, String(text))
    t.throws(
      () => listenSettings({ deny: ['10.0.0.0/8', text as string] }),
      {
        code: 'ERR_BYWASH_INVALID_OPTION',
        message:
          "listen(): 'deny' is a list of addresses and CIDR ranges, such as '10.0.0.0/8' and '2001:db8::/32'; " +
          `got ${JSON.stringify(text)}.`,
      },
      String(text),
    )
  }
})

t.test('every IPv4 range is read as it is written', async () =>
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
      const range = parseAddressRange(`${address}/${prefix}`)
      return range?.address === address && range.prefix === prefix && range.family === 'ipv4'
    }),
  ),
)
