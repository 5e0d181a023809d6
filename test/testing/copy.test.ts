import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { copyOf } from '../../lib/testing/copy.js'

const loop: Record<string, unknown> = { n: 1 }
loop.self = loop

/** Values, and what may change in them. */
const CHANGES: readonly [object, (value: never) => void][] = [
  [[1, [2]], (list: [number, number[]]) => list[1].push(3)],
  [Object.assign([1], { 3: 3 }), (list: number[]) => list.push(4)],
  [/(?<a>.)/.exec('b') as object, (match: RegExpExecArray) => Object.assign(match, { index: 5 })],
  [{ a: { b: 1 } }, (value: { a: { b: number } }) => Object.assign(value.a, { b: 2 })],
  [Object.assign(Object.create(null), { a: 1 }), (value: object) => Object.assign(value, { b: 2 })],
  [{ [Symbol.for('key')]: [1] }, (value: { [key: symbol]: number[] }) => value[Symbol.for('key')]?.push(2)],
  [JSON.parse('{"__proto__":{"a":1}}'), (value: object) => Object.assign(value, { b: 2 })],
  [new Map([[{ key: 1 }, new Set([1])]]), (map: Map<object, Set<number>>) => [...map.values()][0]?.add(2)],
  [new Map([['a', 1]]), (map: Map<string, number>) => map.delete('a')],
  [new Set([[1]]), (set: Set<number[]>) => [...set][0]?.push(2)],
  [new Date(0), (date: Date) => date.setFullYear(2000)],
  [Buffer.from('abc'), (bytes: Buffer) => bytes.fill(0)],
  [Buffer.from('abc').subarray(1), (bytes: Buffer) => bytes.fill(0)],
  [new Uint8Array(3), (bytes: Uint8Array) => bytes.fill(1)],
  [new Float64Array(3).subarray(1), (numbers: Float64Array) => numbers.fill(1)],
  [new DataView(new ArrayBuffer(4), 1, 2), (view: DataView) => view.setUint8(1, 1)],
  [new Uint8Array(2).fill(7).buffer, (buffer: ArrayBuffer) => new Uint8Array(buffer).fill(1)],
  [loop, (value: { n: number }) => Object.assign(value, { n: 2 })],
]

for (const [value, change] of CHANGES) {
  t.test(`a copy of a ${Object.prototype.toString.call(value)} is equal until it changes`, async t => {
    const copy = copyOf(value)
    t.not(copy, value)
    t.ok(isDeepStrictEqual(copy, value))
    change(copy as never)
    t.notOk(isDeepStrictEqual(copy, value), 'it shares nothing with the value')
  })
}

t.test('what belongs to a class, and what is no object, is no copy', async t => {
  class Own {}
  class OwnMap extends Map {}
  const hidden = Object.defineProperty({}, 'hidden', { value: 1, enumerable: false })
  for (const value of [new Own(), new OwnMap(), /a/, new Error('a'), () => {}, 'a', 1, undefined, null]) {
    t.equal(copyOf(value), value)
  }
  t.strictSame(Reflect.ownKeys(copyOf(hidden) as object), [])
  const twice = { a: 1 }
  const [one, other] = copyOf([twice, twice]) as object[]
  t.equal(one, other, 'what is the same stays the same')
})
