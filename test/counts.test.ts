import t from 'tap'
import {
  asyncMap,
  Connection,
  counter,
  lines,
  map,
  type Pipeline,
  pipeline,
  toLines,
  uppercase,
  welcome,
} from '../lib/index.js'
import { connect, runStage } from '../lib/testing/index.js'
import { PLANS } from './plans.js'

/**
 * The counts of a connection as `name: items/bytes in > items/bytes out`; the number of chunks depends on the plan, so it is
 * left out.
 */
async function count(
  served: Pipeline<Buffer, Buffer>,
  plan: 'fused' | 'streams',
  text: string,
): Promise<string[]> {
  const connection = new Connection(1)
  const client = connect(served, { plan, connection })
  client.end(text)
  await client.receive()
  await client.outcome
  return connection.counts.map(({ name, in: given, out }) => {
    const show = ({ items, bytes }: typeof given, isLines: boolean) =>
      isLines ? `${items}/${bytes}` : `${bytes}`
    return `${name}: ${show(given, !/^lines|welcome|counter/.test(name))} > ${show(out, !/toLines|welcome|counter/.test(name))}`
  })
}

for (const plan of PLANS) {
  t.test(`${plan}: each stage counts what comes and goes`, async t => {
    const decoded = pipeline().through(lines())
    const middles = {
      'on blocks': decoded.through(uppercase()),
      'line by line': decoded.through(map('uppercase', line => line.toUpperCase())),
      'with a stream': decoded.through(asyncMap('uppercase', async line => line.toUpperCase())),
    }
    for (const [name, middle] of Object.entries(middles)) {
      const served = middle.through(toLines()).through(counter()).through(welcome('hello\n'))
      t.strictSame(
        await count(served, plan, 'ab\ncde\nf'),
        ['lines: 8 > 3/6', 'uppercase: 3/6 > 3/6', 'toLines: 3/6 > 9', 'counter: 9 > 9', 'welcome: 9 > 15'],
        name,
      )
    }
  })

  t.test(`${plan}: values count as items`, async t => {
    const connection = new Connection(1)
    const number = map('number', (line: string) => Number(line), { accepts: 'line', emits: 'value' })
    await runStage(number, ['1', '22'], { plan, connection })
    t.strictSame(connection.counts, [
      { name: 'number', in: { items: 2, bytes: 3 }, out: { items: 2, bytes: 0 } },
    ])
  })
}

t.test('a connection that is not driven has no counts', async t => {
  t.strictSame(new Connection(1).counts, [])
})
