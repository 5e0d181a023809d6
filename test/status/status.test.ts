import t from 'tap'
import {
  asyncMap,
  Connection,
  generate,
  lines,
  map,
  type Pipeline,
  pipeline,
  type Status,
  toLines,
} from '../../lib/index.js'
import { connect, type FakeClock, fakeClock } from '../../lib/testing/index.js'

/** A stage of lines that takes so many milliseconds of a clock for each. */
const slow = (name: string, clock: FakeClock, milliseconds: number) =>
  map(name, (line: string) => {
    clock.advance(milliseconds)
    return line
  })

const later = (name: string, clock: FakeClock, milliseconds: number, concurrency = 1) =>
  asyncMap(
    name,
    (line: string) => new Promise<string>(resolve => clock.setTimeout(() => resolve(line), milliseconds)),
    { concurrency },
  )

const settled = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

t.test('x', async t => {
  const clock = fakeClock()
  const list = pipeline()
    .through(lines())
    .through(later('lookup', clock, 30))
    .through(toLines())
  await list.status()
  const client = connect(list, { connection: new Connection(1, {}, clock) })
  for (let i = 0; i < 300; i++) {
    client.send('a\n')
    await settled()
    for (let j = 0; j < 5; j++) {
      clock.advance(10)
      await settled()
    }
    await client.receive(2)
  }
  const status = await list.status()
  console.error(JSON.stringify(status, null, 1))
  client.end()
  await client.outcome
})
