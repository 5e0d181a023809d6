import fc from 'fast-check'
import t from 'tap'
import { sharedCount } from '../../../../lib/connection.js'
import { ConnectionTable, MAX_ENTRIES } from '../../../../lib/listener/workers/threads/connection-table.js'
import { SharedAddressCounts } from '../../../../lib/listener/workers/threads/shared-address-counts.js'
import { SharedAdmission } from '../../../../lib/listener/workers/threads/shared-admission.js'
import { SharedListener } from '../../../../lib/listener/workers/threads/shared-listener.js'
import { OPEN_FILES } from '../../../../lib/open-files.js'
import { fakeClock } from '../../../../lib/testing/index.js'
import { runs } from '../../../runs.js'

const NO_ADDRESS = { remoteAddress: undefined, remotePort: undefined }

t.test('a table shows another thread what is open, however connections come and go', async t => {
  const address = fc.option(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('fe80::1%a-long-name')), {
    nil: undefined,
  })
  const coming = fc.record({ remoteAddress: address, remotePort: fc.integer({ min: 1, max: 65_535 }) })
  const going = fc.nat()
  fc.assert(
    fc.property(fc.array(fc.oneof(coming, going), { maxLength: 60 }), steps => {
      const memory = ConnectionTable.allocate(8)
      const [table, seen] = [new ConnectionTable(memory), new ConnectionTable(memory)]
      const nextIds = new BigInt64Array([1n])
      const open = new Map<number, object>()
      for (const step of steps) {
        if (typeof step === 'number') {
          const place = [...open.keys()][step % open.size]
          if (place === undefined) continue
          table.clear(place)
          open.delete(place)
          continue
        }
        const place = table.take(nextIds, { openedAt: 5, ...step })
        t.equal(place === -1, open.size === 8)
        if (place !== -1) open.set(place, { id: table.idAt(place), openedAt: 5, ...step })
      }
      const places = [...open].sort(([one], [other]) => one - other)
      t.strictSame(
        [...seen.entries()],
        places.map(([, entry]) => entry),
      )
    }),
    { numRuns: runs(100) },
  )
})

t.test('a table is bounded, and counts what became of connections', async t => {
  t.equal(ConnectionTable.allocate(2 ** 31).byteLength, ConnectionTable.allocate(MAX_ENTRIES).byteLength)
  const memory = ConnectionTable.allocate(1)
  const table = new ConnectionTable(memory)
  table.take(new BigInt64Array([7n]), { openedAt: 1, ...NO_ADDRESS })
  for (const _ of [1, 2, 3]) table.open()
  table.end('end')
  table.end('end')
  table.turnAway()
  table.refuse('address')
  const { opened, refused, ended } = new ConnectionTable(memory)
  t.strictSame(
    { opened, refused, ended },
    {
      opened: 2,
      refused: { handshake: 1, address: 1 },
      ended: { end: 2 },
    },
  )
  t.strictSame([...table.entries()], [{ id: 7, openedAt: 1, ...NO_ADDRESS }])
})

t.test('counts by address are those of a map, whichever thread counts', async t => {
  const addresses = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1') },
    { weight: 1, arbitrary: fc.oneof(fc.ipV4(), fc.ipV6()) },
  )
  fc.assert(
    fc.property(
      fc.array(fc.record({ address: addresses, comes: fc.boolean(), thread: fc.nat(2) }), {
        minLength: 20,
        maxLength: 60,
      }),
      steps => {
        const memory = SharedAddressCounts.allocate(4)
        const threads = [1, 2, 3].map(owner => new SharedAddressCounts(memory, owner))
        const counts = new Map<string, number>()
        for (const { address, comes, thread } of steps) {
          const count = counts.get(address) ?? 0
          const shared = threads[thread] as SharedAddressCounts
          if (comes) {
            t.equal(shared.take(address, 2), count < 2)
            counts.set(address, Math.min(2, count + 1))
          } else if (count > 0) {
            shared.release(address)
            counts.set(address, count - 1)
          }
        }
      },
    ),
    { numRuns: runs(100) },
  )
})

t.test('the table of addresses is bounded: where it is full, one more address is refused', async t => {
  const counts = new SharedAddressCounts(SharedAddressCounts.allocate(1), 1)
  const taken = Array.from({ length: 1_000 }, (_, index) => counts.take(`10.0.0.${index}`, 1))
  t.ok(taken.includes(false))
  t.ok(taken.filter(Boolean).length >= 64)
  counts.release('198.51.100.1')
  t.ok(SharedAddressCounts.allocate(2 ** 31).byteLength < 4_000_000)
})

t.test('a thread that has died with the lock of the addresses keeps nobody out', async t => {
  const memory = SharedAddressCounts.allocate(1)
  const words = new Int32Array(memory)
  words[0] = 7
  const counts = new SharedAddressCounts(memory, 1)
  const wait = t.capture(Atomics, 'wait', () => {
    new SharedAddressCounts(memory, 2).unlock(8)
    t.equal(words[0], 7, 'it is not the lock of another one')
    new SharedAddressCounts(memory, 2).unlock(7)
    return 'ok'
  })
  t.equal(counts.take('192.0.2.1', 1), true)
  t.equal(wait().length, 1)
  t.equal(words[0], 0)
})

/** The admissions of two threads of one listener. */
function admissions(maxConnections: number, perAddress = Infinity) {
  const rules = { maxConnections, maxConnectionsPerAddress: perAddress, allow: undefined, deny: undefined }
  const shared = SharedListener.make()
  const tables = [1, 2].map(() => new ConnectionTable(ConnectionTable.allocate(maxConnections)))
  const threads = tables.map(
    (table, index) =>
      new SharedAdmission({
        rules,
        shared: new SharedListener(shared.memory),
        table,
        owner: index + 1,
        tells: false,
      }),
  )
  return { shared, tables, threads: threads as [SharedAdmission, SharedAdmission] }
}

t.test('threads number connections and limit them together', async t => {
  const { shared, tables, threads } = admissions(2, 1)
  const [one, other] = threads
  const clock = fakeClock()
  const first = shared.nextId() + 1
  t.equal(one.enter(0), undefined)
  const connection = one.connect({ remoteAddress: '192.0.2.1', remotePort: 5 }, clock)
  t.equal(one.admit(connection), undefined)
  t.equal(other.enter(0), undefined)
  t.match(other.admit({ remoteAddress: '192.0.2.1' }), { rule: 'max-connections-per-address' })
  t.match(one.enter(0), { rule: 'max-connections' })
  other.leave()
  t.equal(shared.open, 1)
  t.equal(other.enter(0), undefined)
  const second = other.connect({}, clock)
  t.strictSame([connection.id, second.id], [first, first + 1])
  t.strictSame([sharedCount(connection)?.number, sharedCount(second)?.number], [1, 2])
  let total = 0
  sharedCount(connection)?.askTotal(count => {
    total = count
  })
  t.equal(total, 2)
  t.strictSame([...(tables[0]?.entries() ?? [])].length, 1)
  one.release(connection)
  t.strictSame([...(tables[0]?.entries() ?? [])].length, 0)
  t.equal(one.admit({ remoteAddress: '192.0.2.1' }), undefined, 'its address has it back')
  shared.forget(tables[1] as ConnectionTable)
  t.equal(shared.open, 0)
})

t.test('a connection for which a table has no entry is numbered, too', async t => {
  const { threads, tables } = admissions(1)
  const [one] = threads
  const clock = fakeClock()
  const [first, second] = [one.connect({}, clock), one.connect({}, clock)]
  t.equal(second.id, first.id + 1)
  t.strictSame([...(tables[0]?.entries() ?? [])].length, 1)
  one.enter(0)
  one.release(second)
  t.equal(tables[0]?.entered, 0)
})

t.test('threads share the descriptors of their process', async t => {
  const { threads } = admissions(1_000)
  t.match(threads[0].enter(0, false), { rule: 'open-files' })
  const { limit } = OPEN_FILES
  OPEN_FILES.refresh(2)
  t.teardown(() => OPEN_FILES.refresh(limit))
  t.equal(threads[0].enter(0), undefined)
  t.match(threads[1].enter(0), { rule: 'open-files' })
})

t.test('the count of open connections is taken again where another thread was faster', async t => {
  const { shared, tables } = admissions(2)
  const [table] = tables as [ConnectionTable]
  const { compareExchange } = Atomics
  let isFirst = true
  t.intercept(Atomics, 'compareExchange', {
    value: (array: Int32Array, index: number, expected: number, value: number) => {
      if (isFirst) Atomics.add(array, index, 1)
      isFirst = false
      return compareExchange(array, index, expected, value)
    },
  })
  t.equal(shared.enter(2, table), true)
  t.equal(shared.open, 2)
  t.equal(table.entered, 1)
})
