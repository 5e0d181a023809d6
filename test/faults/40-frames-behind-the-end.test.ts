import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  type Frame,
  fromStream,
  lines,
  MoreFaultsError,
  type Pipeline,
  pipeline,
  toLines,
} from '../../lib/index.js'
import {
  delimited,
  gunzip,
  gzip,
  jsonLines,
  netstring,
  slip,
  take,
  toJsonLines,
  toNetstring,
} from '../../lib/stages/index.js'
import { chunkings, connect } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL, runs } from '../runs.js'

/** A pipeline that ends behind so many good frames, and the way in which its peer writes a good and a bad one. */
interface Case {
  readonly good: string
  readonly bad: string
  readonly ending: (count: number) => Pipeline<Buffer, Buffer>
}

const GOOD_LINE = { good: 'ok\n', bad: 'long\n' }
const reportingLines = () => pipeline().through(lines({ maxLength: 3, overflow: 'report' }))
const lower = async (line: string) => line.toLowerCase()

const CASES: Readonly<Record<string, Case>> = {
  'lines that are too long': {
    ...GOOD_LINE,
    ending: count => reportingLines().through(take(count)).through(toLines()),
  },
  'lines that are not UTF-8': {
    good: 'ok\n',
    bad: '\xff\n',
    ending: count =>
      pipeline()
        .through(lines({ invalid: 'report' }))
        .through(take(count))
        .through(toLines()),
  },
  'lines that are no JSON': {
    good: '1\n',
    bad: 'no\n',
    ending: count =>
      pipeline()
        .through(lines())
        .through(jsonLines({ invalid: 'report' }))
        .through(take<unknown>(count))
        .through(toJsonLines())
        .through(toLines()),
  },
  'delimited frames': {
    good: 'ok;',
    bad: 'long;',
    ending: count =>
      pipeline()
        .through(delimited({ delimiters: [';'], maxLength: 3, overflow: 'report' }))
        .through(take<Frame>(count))
        .through(toNetstring()),
  },
  netstrings: {
    good: '2:ok,',
    bad: '4:long,',
    ending: count =>
      pipeline()
        .through(netstring({ maxLength: 3, overflow: 'report' }))
        .through(take<Frame>(count))
        .through(toNetstring()),
  },
  'SLIP frames': {
    good: 'ok\xc0',
    bad: 'long\xc0',
    ending: count =>
      pipeline()
        .through(slip({ maxLength: 3, overflow: 'report' }))
        .through(take<Frame>(count))
        .through(toNetstring()),
  },
  'a stage between that gathers': {
    ...GOOD_LINE,
    ending: count =>
      reportingLines().through(toLines()).through(lines()).through(take(count)).through(toLines()),
  },
  'an asynchronous stage between': {
    ...GOOD_LINE,
    ending: count =>
      reportingLines()
        .through(asyncMap('lower', lower, { concurrency: 4 }))
        .through(take(count))
        .through(toLines()),
  },
  'streams between': {
    ...GOOD_LINE,
    ending: count =>
      reportingLines()
        .through(toLines())
        .through(gzip())
        .through(gunzip())
        .through(fromStream('same', () => new PassThrough()))
        .through(lines())
        .through(take(count))
        .through(toLines()),
  },
}

for (const plan of PLANS) {
  /** Sends chunks, and returns the number of faults that onError has heard of. */
  const heard = async (server: Pipeline<Buffer, Buffer>, chunks: Iterable<Buffer>, maxReports = 0) => {
    let count = 0
    const client = connect(server, {
      plan,
      maxReports,
      onError: error => {
        count += error instanceof MoreFaultsError ? error.count : 1
      },
    })
    for (const chunk of chunks) client.send(chunk)
    client.end()
    await client.receive()
    await client.outcome
    return count
  }

  for (const [name, { good, bad, ending }] of Object.entries(CASES)) {
    /** The frames as they are sent: true for a good one. */
    const written = (frames: readonly boolean[]) =>
      Buffer.from(frames.map(isGood => (isGood ? good : bad)).join(''), 'latin1')

    t.test(`40: ${plan}: nobody hears of frames behind the end: ${name}`, async t => {
      const frames = [false, true, false, false, true, false, true, false]
      const counts = [
        [1, 1],
        [3, 4],
        [2, 3],
        [4, 5],
      ] as const
      for (const [count, expected] of RUNS_ALL ? counts : counts.slice(0, 2)) {
        for (const chunks of chunkings(written(frames), { random: RUNS_ALL ? 5 : 1 })) {
          const got = await heard(ending(count), chunks)
          if (got !== expected) return t.equal(got, expected, `${count} of ${chunks.map(String).join('|')}`)
        }
      }
      const property = fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        fc.nat(1),
        async (frames, count, cuts, maxReports) => {
          let left = count
          const expected = frames.filter(isGood => {
            const isHeard = !isGood && left > 0
            if (isGood) left--
            return isHeard
          }).length
          const bytes = written(frames)
          const ends = [...new Set(cuts.map(cut => cut % bytes.length)), bytes.length].sort((a, b) => a - b)
          const chunks = ends
            .map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
            .filter(({ length }) => length > 0)
          const got = await heard(ending(count), chunks, maxReports)
          // Of those that are only counted some may be missing, where one of the same read has ended the connection.
          return maxReports === 0 || left > 0 ? got === expected : got > 0 === expected > 0 && got <= expected
        },
      )
      await fc.assert(property, { numRuns: runs(100) })
      return t.pass()
    })
  }
}
