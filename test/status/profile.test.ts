import { text } from 'node:stream/consumers'
import t from 'tap'
import { profiledStream } from '../../lib/engine/to-stream.js'
import {
  asyncMap,
  Connection,
  lines,
  map,
  type Pipeline,
  pipeline,
  toLines,
  uppercase,
} from '../../lib/index.js'
import { makeProfile, type Profile } from '../../lib/status/profile.js'
import { type FakeClock, fakeClock } from '../../lib/testing/index.js'
import { chooser } from '../chooser.js'

/** A stage of lines whose calls take so many milliseconds of the clock. */
const slow = (name: string, clock: FakeClock, milliseconds: number) =>
  map(name, (line: string) => {
    clock.advance(milliseconds)
    return line
  })

function begin(list: Pipeline<Buffer, Buffer>, clock: FakeClock, plan?: 'streams') {
  const connection = new Connection(1, {}, clock)
  return profiledStream(list, { connection, ...(plan && { plan }) })
}

async function profileOf(list: Pipeline<Buffer, Buffer>, clock: FakeClock, plan?: 'streams') {
  const { stream, book } = begin(list, clock, plan)
  stream.end('a\nb\nc\nd\n')
  const output = await text(stream)
  const profile = makeProfile(book)
  book.close()
  return { output, profile }
}

const named = ({ stages }: Profile, name: string) => stages.find(each => each.name === name)

t.test('says where the time of a whole run went, however short it is', async t => {
  const clock = fakeClock()
  const list = pipeline()
    .through(lines({ overflow: 'report', maxLength: 4 }))
    .through(slow('light', clock, 1))
    .through(slow('heavy', clock, 9))
    .through(toLines())
  const { stream, book } = begin(list, clock)
  stream.end('a\nb\ntoo long\nc\nd\n')
  t.equal(await text(stream), 'a\nb\nc\nd\n')
  const profile = makeProfile(book)
  book.close()
  t.match(profile, { duration: 40, bytesIn: 17, bytesOut: 8, culprit: { kind: 'stage', stage: 2 } })
  t.match(named(profile, 'heavy'), {
    ownTime: 36,
    shares: { busy: 0.9, blocked: 0, starved: 0.1 },
    in: { items: 4, bytes: 4 },
    heldAtMost: { items: 0 },
  })
  t.match(named(profile, 'light'), { ownTime: 4, shares: { busy: 0.1, blocked: 0.9, starved: 0 } })
  t.match(named(profile, 'lines'), { errors: 1, out: { items: 4 } })
})

t.test(
  'the time that stages are charged is no more than has passed, however little of it was timed',
  async t => {
    let now = 0
    // A clock that costs a millisecond each time it is read, as a real one costs more than a short call.
    const clock = { ...fakeClock(), now: () => now++ }
    const list = pipeline()
      .through(lines())
      .through(map('one', (line: string) => `${line}!`))
      .through(map('two', (line: string) => `${line}?`))
      .through(toLines())
    const { stream, book } = profiledStream(list, { connection: new Connection(1, {}, clock) })
    stream.end('a\n'.repeat(2_000))
    await text(stream)
    const { stages, duration } = makeProfile(book)
    book.close()
    const all = stages.reduce((sum, { ownTime }) => sum + (ownTime ?? 0), 0)
    t.ok(all > 0 && all <= duration, `${all} of ${duration}`)
  },
)

t.test('a stage that waits is busy, and what waits in front of it is told', async t => {
  const clock = fakeClock()
  const resolves: (() => void)[] = []
  const lookup = asyncMap(
    'lookup',
    (line: string) => new Promise<string>(resolve => resolves.push(() => resolve(line))),
  )
  const { stream, book } = begin(pipeline().through(lines()).through(lookup).through(toLines()), clock)
  stream.end('one\ntwo\nthree\n')
  const output = text(stream)
  for (let answered = 0; answered < 3; ) {
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(10)
    const answers = resolves.splice(0)
    answered += answers.length
    for (const answer of answers) answer()
  }
  t.equal(await output, 'one\ntwo\nthree\n')
  const profile = makeProfile(book)
  t.match(profile.culprit, { kind: 'stage', text: /'lookup'/ })
  t.match(named(profile, 'lookup'), { in: { items: 3 }, heldAtMost: { items: 2, bytes: 8 } })
  t.ok((named(profile, 'lookup')?.ownTime ?? 0) >= 30)
  book.close()
})

t.test('an output that is not read, and an input that does not come, are told', async t => {
  const clock = fakeClock()
  const list = pipeline()
    .through(lines())
    .through(slow('fast', clock, 0))
    .through(toLines())
  const full = begin(list, clock)
  full.stream.write('a\n'.repeat(100_000))
  await new Promise(resolve => setImmediate(resolve))
  clock.advance(1_000)
  t.equal(makeProfile(full.book).culprit.kind, 'client')
  full.stream.destroy()
  await new Promise(resolve => full.stream.once('close', resolve))
  full.book.close()
  const idle = begin(list, clock)
  await new Promise(resolve => setImmediate(resolve))
  clock.advance(1_000)
  t.match(makeProfile(idle.book), { duration: 1_000, culprit: { kind: 'input' } })
  idle.stream.destroy()
  await new Promise(resolve => idle.stream.once('close', resolve))
  idle.book.close()
})

t.test('stages that run as streams are counted, and not timed', async t => {
  const list = pipeline().through(lines()).through(uppercase()).through(toLines())
  const { output, profile } = await profileOf(list, fakeClock(), 'streams')
  t.equal(output, 'A\nB\nC\nD\n')
  t.match(profile.stages, [
    { name: 'lines', ownTime: null, shares: null, activeShares: null, in: { bytes: 8 } },
    { name: 'uppercase', in: { items: 4 }, out: { items: 4 } },
    { name: 'toLines', out: { bytes: 8 } },
  ])
})

t.test('a list that becomes another one is told as far as it went', async t => {
  const clock = fakeClock()
  const next = pipeline().through(lines()).through(uppercase()).through(toLines())
  const { output, profile } = await profileOf(pipeline().through(lines()).through(chooser(next)), clock)
  t.equal(output, 'B\nC\nD\n')
  t.match(profile.stages, [
    { name: 'lines', out: { items: 1 } },
    { name: 'chooser', in: { items: 1 } },
  ])
})

t.test('a pipeline without stages has none to tell of', async t => {
  const { output, profile } = await profileOf(pipeline(), fakeClock())
  t.equal(output, 'a\nb\nc\nd\n')
  t.match(profile, { bytesIn: 8, bytesOut: 8, stages: [] })
})
