import t from 'tap'
import { Connection, lines, map, pipeline, toLines } from '../../lib/index.js'
import { planOf } from '../../lib/pipeline.js'
import { Book, type Observed } from '../../lib/status/book.js'
import { makeStatus } from '../../lib/status/make-status.js'
import { fakeClock } from '../../lib/testing/index.js'

const list = pipeline()
  .through(lines())
  .through(map('low', (line: string) => line.toLowerCase()))
  .through(toLines())
const { listed } = planOf(list, 'listen()', 'fused')
const FACTS = {
  name: 'x',
  address: null,
  state: 'open',
  workers: [],
  worker: null,
  connections: { open: 0, handshaking: 0, limit: null },
} as const

/** A book of connections that are as they are told to be. */
function bookOf(...all: readonly Partial<Observed>[]) {
  const clock = fakeClock()
  const open: Observed[] = []
  const book = new Book(clock, 'sampled', () => open)
  book.serve(listed)
  const stageBook = book.stageBook(listed)
  const counts = stageBook.listed
    .flatMap(({ stages }) => stages)
    .map(name => ({ name, in: { items: 2, bytes: 3 }, out: { items: 2, bytes: 3 } }))
  for (const [index, more] of all.entries()) {
    const usual: Observed = {
      connection: new Connection(index + 1, {}, clock),
      stageBook,
      bytesIn: 3,
      bytesOut: 3,
      openedAt: 0,
      pendingBytes: 0,
      isDormant: false,
      wait: undefined,
      held: [],
      counts: () => counts,
      observe: () => {},
      charge: () => {},
    }
    // With their getters.
    open.push(Object.defineProperties(usual, Object.getOwnPropertyDescriptors(more)))
  }
  t.teardown(() => book.close())
  return { book, clock, status: () => makeStatus(book, FACTS) }
}

t.test('a connection that has not started adds its bytes to the sums, and no items', async t => {
  const { status } = bookOf({}, { stageBook: undefined, bytesIn: 40, bytesOut: 0 })
  const { traffic, stages } = status()
  t.match(traffic.total, { bytesIn: 43, bytesOut: 3, itemsIn: 2, itemsOut: 2 })
  t.match(stages[0]?.in.total, { items: 2, bytes: 3 })
})

t.test(
  'of 10,000 connections each is asked once for what it holds, and forty at most are listed',
  async t => {
    let asked = 0
    const connections = Array.from({ length: 10_000 }, (_, index) => ({
      wait: { for: 0, since: -index },
      get held() {
        asked++
        return [{ items: 1, bytes: index }]
      },
    }))
    const { slowest, largest, stages } = bookOf(...connections).status()
    t.equal(asked, 10_000)
    t.equal(stages[0]?.held.items, 10_000)
    t.strictSame([slowest.length, slowest[0]?.waitedFor], [20, 9_999])
    t.strictSame([largest.length, largest[0]?.heldBytes], [20, 9_999])
  },
)

t.test('a connection whose stages could not be opened has counted nothing', async t => {
  const { book, status } = bookOf({ counts: () => [] })
  t.match(status().traffic.total, { bytesIn: 3, itemsIn: 0, itemsOut: 0 })
  const outcome = {
    reason: 'stage-error',
    error: undefined,
    bytesRead: 4,
    bytesWritten: 0,
    duration: 0,
  } as const
  for (const each of book.open) book.ended(outcome, each)
  const { traffic, stages } = status()
  t.match(traffic.total, { ended: { 'stage-error': 1 }, bytesIn: 7, itemsIn: 0, itemsOut: 0 })
  t.match(stages[0]?.in.total, { items: 0, bytes: 0 })
})

t.test('a connection that has sent nothing starves its stages', async t => {
  const { status, clock } = bookOf({ isDormant: true })
  status()
  clock.advance(5_000)
  const { stages, culprit } = status()
  for (const { shares, activeShares } of stages) {
    t.same(shares.last10s, { busy: 0, starved: 1, blocked: 0 })
    t.equal(activeShares, null, 'there was nothing to do')
  }
  t.equal(culprit.kind, 'input')
})

t.test('a connection that holds bytes tells what it waits for', async t => {
  const pendingBytes = 9
  const { status } = bookOf(
    { pendingBytes },
    { pendingBytes: 8, isDormant: true },
    { pendingBytes: 7, wait: { for: 'input', since: 0 } },
    { pendingBytes: 6, wait: { for: 'client', since: 0 } },
    { held: [{ items: 1, bytes: 5 }], wait: { for: 0, since: 0 } },
  )
  const { largest, slowest } = status()
  t.strictSame(
    largest.map(({ id, waitsFor }) => [id, waitsFor.kind]),
    [
      [1, 'unknown'],
      [2, 'input'],
      [3, 'input'],
      [4, 'client'],
      [5, 'stage'],
    ],
  )
  t.equal(largest[4]?.waitsFor.text, "stage 'lines | low | toLines' is busy")
  t.strictSame(
    slowest.map(({ id }) => id),
    [4, 5],
  )
})

t.test('a reload may change when a book looks', async t => {
  const { book, clock } = bookOf({})
  book.change('sampled')
  clock.advance(3_000)
  t.equal(book.samples.length, 0, 'nobody looks')
  book.change('always')
  clock.advance(3_000)
  t.equal(book.observedFor, 3_000)
  book.change('off')
  book.lookOn()
  t.equal(book.observedFor, 0)
  book.change('sampled')
  book.lookOn()
  clock.advance(1_000)
  t.equal(book.observedFor, 1_000)
  book.close()
  book.change('always')
  t.equal(book.observedFor, 0, 'it is closed')
})
