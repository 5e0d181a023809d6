import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  encodeProxyHeader,
  MAX_PROXY_HEADER_BYTES,
  type ProxyHeaderEnds,
  parseProxyHeader,
} from '../../lib/net/proxy-header.js'
import { runs } from '../runs.js'

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'
const IPV4 = Buffer.from([192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0x00, 0x50])
const ENDS = {
  source: { address: '192.0.2.1', port: 4711 },
  destination: { address: '10.0.0.1', port: 80 },
}

/** A header of version 2. */
function binary(command: number, family: number, block: Buffer, length = block.length): Buffer {
  return Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    Buffer.from([command, family, length >> 8, length & 255]),
    block,
  ])
}

function tlv(type: number, value: Buffer, length = value.length): Buffer {
  return Buffer.concat([Buffer.from([type, length >> 8, length & 255]), value])
}

function line(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Checks that each beginning of a header is incomplete, and the header complete, with and without bytes behind it. */
function completes(t: Test, header: Buffer, ends: unknown): void {
  for (let cut = 0; cut < header.length; cut++) {
    t.equal(parseProxyHeader(header.subarray(0, cut)), undefined, `the first ${cut} bytes are not enough`)
  }
  t.same(parseProxyHeader(header), { length: header.length, ends })
  t.same(parseProxyHeader(Buffer.concat([header, Buffer.from('\r\nPROXY ')])), {
    length: header.length,
    ends,
  })
}

t.test('version 1: reads TCP4, TCP6 and UNKNOWN, at every cut', async t => {
  completes(t, line('PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n'), ENDS)
  completes(t, line('PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n'), {
    source: { address: '0.0.0.0', port: 0 },
    destination: { address: '255.255.255.255', port: 65_535 },
  })
  completes(t, line('PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 65535 0\r\n'), {
    source: { address: '2001:db8::1', port: 65_535 },
    destination: { address: '::1', port: 0 },
  })
  completes(t, line('PROXY TCP6 ::ffff:192.0.2.1 ::ffff:a00:1 4711 80\r\n'), ENDS)
  completes(t, line('PROXY UNKNOWN\r\n'), undefined)
  completes(t, line('PROXY UNKNOWN what ever \x00\xff\n\r it \r says\r\n'), undefined)
  const longest = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
  completes(t, line(`PROXY UNKNOWN ${longest} ${longest} 65535 65535\r\n`), undefined)
})

for (const [text, fault] of [
  ['PROXY TCP4 999.1.1.1 10.0.0.1 4711 80', /two TCP4 addresses and two ports/],
  ['PROXY TCP4 192.0.02.1 10.0.0.1 4711 80', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 04711 80', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 00', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 65536', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 99999', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 -1', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 8e1', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 ', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 1', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1  10.0.0.1 4711 80', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1\t10.0.0.1 4711 80', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711', /TCP4 addresses/],
  ['PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\n', /TCP4 addresses/],
  ['PROXY TCP4', /TCP4 addresses/],
  ['PROXY TCP4 ::1 ::1 1 2', /TCP4 addresses/],
  ['PROXY TCP6 192.0.2.1 10.0.0.1 4711 80', /TCP6 addresses/],
  ['PROXY TCP6 ::1 10.0.0.1 4711 80', /TCP6 addresses/],
  ['PROXY TCP6 fe80::1%eth0 ::1 4711 80', /TCP6 addresses/],
  ['PROXY TCP6 ::1::1 ::1 4711 80', /TCP6 addresses/],
  ['PROXY tcp4 192.0.2.1 10.0.0.1 4711 80', /neither TCP4, TCP6 nor UNKNOWN/],
  ['PROXY UDP4 192.0.2.1 10.0.0.1 4711 80', /neither TCP4, TCP6 nor UNKNOWN/],
  ['PROXY UNKNOWNS', /neither TCP4, TCP6 nor UNKNOWN/],
  ['PROXY  TCP4 192.0.2.1 10.0.0.1 4711 80', /neither TCP4, TCP6 nor UNKNOWN/],
  ['PROXY ', /neither TCP4, TCP6 nor UNKNOWN/],
] as const) {
  t.test(`version 1: refuses ${JSON.stringify(text)}`, async t => {
    t.match(parseProxyHeader(line(`${text}\r\n`)), { fault })
  })
}

t.test('version 1: takes a line of 107 bytes, and waits for no more', async t => {
  const line = (bytes: number) => Buffer.from(`PROXY UNKNOWN ${'x'.repeat(bytes - 16)}\r\n`)
  t.same(parseProxyHeader(line(107)), { length: 107, ends: undefined })
  t.match(parseProxyHeader(line(108)), { fault: /without CRLF in its first 107 bytes/ })
  t.equal(parseProxyHeader(line(108).subarray(0, 106)), undefined)
  t.match(parseProxyHeader(line(108).subarray(0, 107)), { fault: /without CRLF/ })
})

t.test('finds a header missing with the first byte that is none of it', async t => {
  const v2 = Buffer.from(SIGNATURE, 'latin1')
  for (const start of [Buffer.from('PROXY '), v2]) {
    for (let at = 0; at < start.length; at++) {
      const wrong = Buffer.from(start.subarray(0, at + 1))
      wrong[at] = 0x7f
      t.same(parseProxyHeader(wrong), { fault: 'is missing' })
    }
  }
  t.same(parseProxyHeader(Buffer.from('GET / HTTP/1.1\r\n\r\n')), { fault: 'is missing' })
  t.same(parseProxyHeader(Buffer.from('proxy TCP4')), { fault: 'is missing' })
})

t.test('version 2: reads each family, at every cut', async t => {
  completes(t, binary(0x21, 0x11, IPV4), ENDS)
  completes(t, binary(0x21, 0x12, IPV4), ENDS)
  const [a, b] = ['20010db8000000000000000000000001', '00000000000000000000000000000001']
  completes(t, binary(0x21, 0x21, Buffer.from(`${a}${b}ffff0000`, 'hex')), {
    source: { address: '2001:db8::1', port: 65_535 },
    destination: { address: '::1', port: 0 },
  })
  completes(t, binary(0x21, 0x22, Buffer.from(`${b}${a}0001ffff`, 'hex')), {
    source: { address: '::1', port: 1 },
    destination: { address: '2001:db8::1', port: 65_535 },
  })
  completes(t, binary(0x21, 0x31, Buffer.alloc(216)), undefined)
})

t.test('version 2: takes what is LOCAL or unspecified without its block', async t => {
  const junk = Buffer.from('whatever')
  completes(t, binary(0x20, 0x00, Buffer.alloc(0)), undefined)
  completes(t, binary(0x20, 0x11, IPV4), undefined)
  completes(t, binary(0x20, 0xff, junk), undefined)
  completes(t, binary(0x21, 0x00, Buffer.alloc(0)), undefined)
  completes(t, binary(0x21, 0x00, junk), undefined)
  completes(t, binary(0x21, 0x01, junk), undefined)
  completes(t, binary(0x21, 0x10, junk), undefined)
})

t.test('version 2: refuses an unknown version, command, family or transport at once', async t => {
  for (const command of [0x00, 0x10, 0x11, 0x31, 0xf1]) {
    t.same(parseProxyHeader(binary(command, 0x11, IPV4).subarray(0, 13)), { fault: 'has an unknown version' })
  }
  for (const command of [0x22, 0x2f]) {
    t.same(parseProxyHeader(binary(command, 0x11, IPV4).subarray(0, 13)), { fault: 'has an unknown command' })
  }
  for (const family of [0x13, 0x1f, 0x23, 0x41, 0xf1, 0x40, 0x03]) {
    t.same(parseProxyHeader(binary(0x21, family, IPV4).subarray(0, 14)), {
      fault: 'has an unknown address family or transport',
    })
  }
})

t.test('version 2: refuses a length that is too short for the family, before the block has come', async t => {
  for (const [family, bytes] of [
    [0x11, 12],
    [0x12, 12],
    [0x21, 36],
    [0x22, 36],
    [0x31, 216],
    [0x32, 216],
  ] as const) {
    for (const length of [0, 1, bytes - 1]) {
      const header = binary(0x21, family, Buffer.alloc(length))
      t.same(parseProxyHeader(header.subarray(0, 16)), { fault: 'is too short for its addresses' })
    }
  }
  // IPv4 addresses that are said to be IPv6.
  t.same(parseProxyHeader(binary(0x21, 0x21, IPV4)), { fault: 'is too short for its addresses' })
})

t.test('version 2: takes 4,096 bytes, and refuses more before they have come', async t => {
  const padding = MAX_PROXY_HEADER_BYTES - 16 - 12 - 3
  const header = binary(0x21, 0x11, Buffer.concat([IPV4, tlv(4, Buffer.alloc(padding))]))
  t.same(parseProxyHeader(header), { length: 4_096, ends: ENDS })
  t.equal(parseProxyHeader(header.subarray(0, 4_095)), undefined)
  for (const command of [0x20, 0x21]) {
    const longer = binary(command, 0x11, IPV4, MAX_PROXY_HEADER_BYTES - 15)
    t.same(parseProxyHeader(longer.subarray(0, 16)), { fault: 'is longer than 4096 bytes' })
  }
})

t.test('version 2: skips TLVs, and refuses one that is cut off', async t => {
  const some = [
    tlv(1, Buffer.from('h2')),
    tlv(2, Buffer.from('example.com')),
    tlv(4, Buffer.alloc(0)),
    tlv(0xe0, Buffer.alloc(9)),
  ]
  completes(t, binary(0x21, 0x11, Buffer.concat([IPV4, ...some])), ENDS)
  completes(t, binary(0x21, 0x31, Buffer.concat([Buffer.alloc(216), ...some])), undefined)
  for (const last of [
    Buffer.from([5]),
    Buffer.from([5, 0]),
    tlv(5, Buffer.alloc(3), 4),
    tlv(5, Buffer.alloc(0), 65_535),
  ]) {
    t.same(parseProxyHeader(binary(0x21, 0x11, Buffer.concat([IPV4, ...some, last]))), {
      fault: 'has a TLV that is cut off',
    })
  }
})

t.test('version 2: checks the CRC32c of a header that has one', async t => {
  // Computed with another implementation: the CRC32c of the header with zeros in place of the checksum.
  const withChecksum = (checksum: string) =>
    binary(
      0x21,
      0x11,
      Buffer.concat([IPV4, tlv(3, Buffer.from(checksum, 'hex')), tlv(2, Buffer.from('a.b'))]),
    )
  const right = '7d340458'
  completes(t, withChecksum(right), ENDS)
  const wrong = { fault: 'does not have the checksum that it says' }
  t.same(parseProxyHeader(withChecksum('00000000')), wrong)
  const header = withChecksum(right)
  const typeOfChecksum = 28
  for (let at = 16; at < header.length; at++) {
    if (at === typeOfChecksum) continue
    const changed = Buffer.from(header)
    changed[at] = (changed[at] as number) ^ 1
    t.match(parseProxyHeader(changed), { fault: /./ }, `a changed bit at ${at} is noticed`)
  }
  t.same(parseProxyHeader(binary(0x21, 0x11, Buffer.concat([IPV4, tlv(3, Buffer.alloc(3))]))), wrong)
  const twice = tlv(3, Buffer.alloc(4))
  t.same(parseProxyHeader(binary(0x21, 0x11, Buffer.concat([IPV4, twice, twice]))), wrong)
})

t.test('writes both versions exactly as they are specified', async t => {
  t.equal(encodeProxyHeader(1, ENDS).toString(), 'PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n')
  t.same(encodeProxyHeader(2, ENDS), binary(0x21, 0x11, IPV4))
  const six = { source: { address: '2001:db8::1%eth0', port: 1 }, destination: { address: '::', port: 2 } }
  t.equal(encodeProxyHeader(1, six).toString(), 'PROXY TCP6 2001:db8::1 :: 1 2\r\n')
  t.equal(encodeProxyHeader(2, six).length, 16 + 36)
})

t.test('writes IPv4-mapped addresses as IPv4, and as IPv6 beside an IPv6 address', async t => {
  const dual = {
    source: { address: '::ffff:192.0.2.1', port: 4711 },
    destination: { address: '::ffff:10.0.0.1', port: 80 },
  }
  t.same(encodeProxyHeader(2, dual), binary(0x21, 0x11, IPV4))
  const mixed = { source: ENDS.source, destination: { address: '::1', port: 80 } }
  t.equal(encodeProxyHeader(1, mixed).toString(), 'PROXY TCP6 ::ffff:c000:201 ::1 4711 80\r\n')
  for (const version of [1, 2] as const)
    t.match(parseProxyHeader(encodeProxyHeader(version, mixed)), { ends: mixed })
})

t.test('writes a header without addresses for ends that have none', async t => {
  const { source, destination } = ENDS
  for (const ends of [
    {},
    { source },
    { destination },
    { source, destination: { address: 'example.com', port: 1 } },
    { source: {}, destination },
  ] satisfies ProxyHeaderEnds[]) {
    t.equal(encodeProxyHeader(1, ends).toString(), 'PROXY UNKNOWN\r\n')
    t.same(encodeProxyHeader(2, ends), binary(0x21, 0x00, Buffer.alloc(0)))
  }
})

const end = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 0, max: 65_535 }) })
const header = fc.record({ version: fc.constantFrom(1 as const, 2 as const), source: end, destination: end })

t.test('reads what it has written, whatever follows, at every cut', async t => {
  fc.assert(
    fc.property(header, fc.uint8Array(), ({ version, ...ends }, rest) => {
      const bytes = encodeProxyHeader(version, ends)
      const parsed = parseProxyHeader(Buffer.concat([bytes, rest]))
      t.match(parsed, {
        length: bytes.length,
        ends: { source: { port: ends.source.port }, destination: { port: ends.destination.port } },
      })
      if (parsed === undefined || 'fault' in parsed) return
      t.same(
        encodeProxyHeader(version, parsed.ends as ProxyHeaderEnds),
        bytes,
        'the addresses are the same ones',
      )
      for (let cut = 0; cut < bytes.length; cut++)
        t.equal(parseProxyHeader(bytes.subarray(0, cut)), undefined)
    }),
    { numRuns: runs(300) },
  )
})

t.test('never takes back a verdict, and never throws, whatever comes', async t => {
  const start = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 1.2.3.4 ', SIGNATURE, `${SIGNATURE}\x21\x11\x00`)
  const bytes = fc
    .tuple(start, fc.uint8Array({ maxLength: 120 }))
    .map(([text, rest]) => Buffer.concat([line(text), rest]))
  fc.assert(
    fc.property(bytes, all => {
      const verdicts = Array.from({ length: all.length + 1 }, (_, cut) =>
        parseProxyHeader(all.subarray(0, cut)),
      )
      const first = verdicts.find(verdict => verdict !== undefined)
      for (const verdict of verdicts.slice(verdicts.indexOf(first))) t.same(verdict, first)
    }),
    { numRuns: runs(500) },
  )
})
