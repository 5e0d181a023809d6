import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import loadWabt from 'wabt'
import { byteMapOf, mapBytes, moduleBytes } from '../../../lib/engine/rewrite/map-bytes.js'
import { runs } from '../../runs.js'

const IDENTITY = Uint8Array.from({ length: 256 }, (_, byte) => byte)

t.test('maps any bytes by any table, in place or not, and counts their line feeds', async () => {
  const bytes = fc.uint8Array({ maxLength: 200, size: 'max' }).map(Buffer.from)
  const feeds = fc
    .array(fc.constantFrom(0x0a, 0x0a, 0x0b, 0x8a, 0x61), { maxLength: 200, size: 'max' })
    .map(Buffer.from)
  const table = fc.oneof(
    fc.constant(IDENTITY),
    fc.uint8Array({ minLength: 256, maxLength: 256 }),
    fc.tuple(fc.nat(255), fc.nat(255)).map(([from, to]) => IDENTITY.with(from, to)),
  )
  fc.assert(
    fc.property(fc.oneof(bytes, feeds), table, fc.boolean(), (input, table, inPlace) => {
      const before = Buffer.from(input)
      const map = byteMapOf(table)
      const to = inPlace || map.rows.length === 0 ? input : Buffer.alloc(input.length)
      const count = mapBytes(input, map, to)
      return (
        count === before.filter(byte => byte === 0x0a).length &&
        before.every((byte, index) => to[index] === table[byte]) &&
        (inPlace || input.equals(before))
      )
    }),
    { numRuns: runs(2000) },
  )
})

t.test('only bytes that change cost anything', async t => {
  t.equal(byteMapOf(IDENTITY).rows.length, 0)
  t.equal(byteMapOf(IDENTITY.map(byte => (byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte))).rows.length, 64)
})

t.test('takes in pieces what is longer than its memory', async t => {
  const map = byteMapOf(IDENTITY.with(0x78, 0x79))
  for (const length of [0, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = Buffer.alloc(length, '\n')
    t.equal(mapBytes(bytes, map, bytes), length)
    t.equal(mapBytes(bytes.fill('x'), map, bytes), 0)
    t.ok(bytes.every(byte => byte === 0x79))
  }
})

t.test('the text source assembles to the bytes that the code holds', async t => {
  const wabt = await loadWabt()
  const module = wabt.parseWat('map-bytes.wat', readFileSync('lib/engine/rewrite/map-bytes.wat', 'utf8'), {
    simd: true,
  })
  const { buffer } = module.toBinary({})
  t.equal(Buffer.from(buffer).toString('hex'), moduleBytes().toString('hex'))
})
