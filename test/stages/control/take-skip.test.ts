import fc from 'fast-check'
import t from 'tap'
import { lines, type Outcome, pipeline, stage, tap, toLines, welcome } from '../../../lib/index.js'
import { discard, skip, take } from '../../../lib/stages/index.js'
import { connect, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

for (const plan of PLANS) {
  t.test(`${plan}: take and skip part the items where they say, for every kind`, async t => {
    const items = [{ a: 1 }, { a: 2 }]
    t.strictSame(await runStage(take<object>(1), items, { plan }), [{ a: 1 }])
    t.strictSame(await runStage(skip<object>(1), items, { plan }), [{ a: 2 }])
    const chunks = ['a', 'b'].map(text => Buffer.from(text))
    t.strictSame(await runStage(take<Buffer>(1), chunks, { plan }), chunks.slice(0, 1))
    t.strictSame(await runStage(skip<Buffer>(1), chunks, { plan }), chunks.slice(1))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), fc.nat(6), async (lines, count) => {
        const first = await runStage(take(count), lines, { plan })
        const rest = await runStage(skip(count), lines, { plan })
        return JSON.stringify([first, rest]) === JSON.stringify([lines.slice(0, count), lines.slice(count)])
      }),
      { numRuns: runs(30) },
    )
  })

  t.test(`${plan}: discard gives nothing of any kind, and lets the stages in front of it work`, async t => {
    const chunks = ['a', 'b'].map(text => Buffer.from(text))
    t.strictSame(await runStage(discard(), chunks, { plan }), [])
    t.strictSame(await runStage(discard<object>(), [{ a: 1 }], { plan }), [])
    const seen: string[] = []
    const list = pipeline()
      .through(lines())
      .through(tap('seen', (line: string) => seen.push(line)))
      .through(discard())
      .through(welcome('220 ready\r\n'))
    const client = connect(list, { plan })
    client.end('one\ntwo')
    t.equal(String(await client.receive()), '220 ready\r\n')
    t.match(await client.outcome, { reason: 'end', bytesRead: 7 })
    t.strictSame(seen, ['one', 'two'])
  })

  t.test(`${plan}: a stage of it serves many connections, each from its own beginning`, async t => {
    const [first, rest] = [take(1), skip(1)]
    for (const _connection of [1, 2]) {
      t.strictSame(await runStage(first, ['a', 'b'], { plan }), ['a'])
      t.strictSame(await runStage(rest, ['a', 'b'], { plan }), ['b'])
    }
  })

  const server = (count: number, seen: string[] = []) =>
    pipeline()
      .through(lines())
      .through(take(count))
      .through(
        stage<string, string>({
          name: 'tail',
          accepts: 'line',
          emits: 'line',
          open: () => ({
            flush: controller => controller.enqueue('tail'),
            close: ({ reason }: Outcome) => void seen.push(reason),
          }),
        }),
      )
      .through(toLines())
      .through(welcome('hi\n'))

  t.test(
    `${plan}: after its items take ends the connection in good order, without the client's end`,
    async t => {
      const seen: string[] = []
      const client = connect(server(2, seen), { plan })
      client.send('a\nb\nc\n')
      t.equal((await client.receive()).toString(), 'hi\na\nb\ntail\n')
      client.end()
      t.match(await client.outcome, { reason: 'terminated', error: undefined })
      t.strictSame(seen, ['terminated'])
    },
  )

  t.test(`${plan}: with 0 it ends as soon as it is open`, async t => {
    const client = connect(server(0), { plan })
    t.equal((await client.receive()).toString(), 'hi\ntail\n')
    client.end('a\n')
    t.equal((await client.outcome).reason, 'terminated')
  })

  t.test(`${plan}: a client that sends less than take waits for has its own end`, async t => {
    const client = connect(server(3), { plan })
    client.end('a\n')
    t.equal((await client.receive()).toString(), 'hi\na\ntail\n')
    t.equal((await client.outcome).reason, 'end')
  })
}

t.test('the count is checked at once', async t => {
  for (const count of [-1, 1.5, Number.NaN, '1x', undefined]) {
    t.throws(() => take(count as number), { message: /take\(\): 'count' is a whole number, from 0/ })
    t.throws(() => skip(count as number), { message: /skip\(\): 'count' is a whole number, from 0/ })
  }
})
