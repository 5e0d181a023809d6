import { PassThrough, Transform } from 'node:stream'
import t from 'tap'
import { FaultReports } from '../../../lib/engine/drive/fault-reports.js'
import { addReport, type Report } from '../../../lib/engine/flow/part.js'
import type { PlanMode } from '../../../lib/engine/planned-stage.js'
import { madeFault, UntoldFaults } from '../../../lib/errors.js'
import {
  asyncMap,
  type BywashError,
  Connection,
  type Controller,
  type Fault,
  FrameTooLongError,
  fromStream,
  lines,
  MoreFaultsError,
  type Pipeline,
  pipeline,
  stage,
  type Transformer,
  toLines,
} from '../../../lib/index.js'
import {
  delimited,
  jsonLines,
  lengthPrefixed,
  netstring,
  slip,
  toJsonLines,
} from '../../../lib/stages/index.js'
import { connect, fakeClock } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'

const fault = new FrameTooLongError('lines', 'line', 1)

/** Reports of a connection on a clock, and what they told: codes, and the number of those that were left out. */
function reporting(maxReports: number) {
  const clock = fakeClock()
  const told: (string | number)[] = []
  const reports = new FaultReports(clock, maxReports, error =>
    told.push(error instanceof MoreFaultsError ? error.count : error.code),
  )
  /** What a stage's report comes to: it is told, or it is one more. */
  const report = (fault: Fault) => reports.report(reports.claim() ? fault : new UntoldFaults(1))
  return { clock, told, reports, report }
}

t.test('of each second the first faults are told, and then how many more there were', async t => {
  const { clock, told, reports, report } = reporting(2)
  const { code } = fault
  for (let count = 0; count < 5; count++) report(fault)
  t.strictSame(told, [code, code])
  clock.advance(999)
  report(fault)
  t.strictSame(told, [code, code])
  clock.advance(1)
  t.strictSame(told, [code, code, 4])
  clock.advance(10_000)
  t.equal(told.length, 3, 'nothing is told where nothing was left out')
  report(fault)
  clock.advance(500)
  report(fault)
  clock.advance(500)
  t.strictSame(told.slice(3), [code, code], 'the next second begins with the next fault')
  for (let count = 0; count < 3; count++) report(fault)
  reports.end()
  t.strictSame(told.slice(5), [code, code, 1], 'the end of the connection ends the second')
  clock.advance(10_000)
  t.equal(told.length, 8, 'once')
})

t.test('an error is made only for a fault that is told', async t => {
  const { told, report } = reporting(2)
  let made = 0
  for (let count = 0; count < 5; count++) {
    report(() => {
      made++
      return fault
    })
  }
  t.strictSame([made, told.length], [2, 2])
})

t.test('faults that are only counted may arrive in a later second', async t => {
  const { clock, told, reports, report } = reporting(1)
  report(fault)
  clock.advance(1000)
  reports.report(new UntoldFaults(3))
  clock.advance(999)
  t.strictSame(told, [fault.code])
  clock.advance(1)
  t.strictSame(told, [fault.code, 3])
})

t.test('with 0 every fault is told', async t => {
  const { told, reports, report } = reporting(0)
  for (let count = 0; count < 50; count++) report(count % 2 === 0 ? fault : () => fault)
  reports.end()
  t.equal(told.length, 50)
})

t.test('the message says what to change', async t => {
  t.equal(
    new MoreFaultsError(1, 10).message,
    "1 more fault of the peer in the same second. 'maxReports' is 10: raise it to hear of more.",
  )
})

type Policy = 'report' | 'skip'
type Decoder = { readonly open: (connection: Connection) => Transformer<never, unknown> }

/** Each decoder that goes on behind a fault, and what is one for it. */
const DECODERS: [name: string, bad: unknown, decoder: (policy: Policy) => Decoder][] = [
  ['lines', bytes('xx\n'), overflow => lines({ overflow, maxLength: 1 })],
  ['jsonLines', 'x', invalid => jsonLines({ invalid })],
  ['delimited', bytes('xx;'), overflow => delimited({ delimiters: ';', overflow, maxLength: 1 })],
  ['netstring', bytes('2:xx,'), overflow => netstring({ overflow, maxLength: 1 })],
  ['lengthPrefixed', bytes('\x02xx'), overflow => lengthPrefixed({ width: 1, overflow, maxLength: 1 })],
  ['slip, too long', bytes('xx\xc0'), overflow => slip({ overflow, maxLength: 1 })],
  ['slip, invalid', bytes('\xdbx\xc0'), invalid => slip({ invalid })],
]

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

for (const [name, bad, decoder] of DECODERS) {
  t.test(`${name} leaves it to who hears of a fault to make its error`, async t => {
    const reported: Fault[] = []
    const controller = { report: (fault: Fault) => void reported.push(fault) } as Controller<unknown>
    for (const policy of ['skip', 'report'] as const) {
      const transformer = decoder(policy).open(new Connection(1))
      for (let count = 0; count < 3; count++) transformer.transform?.(bad as never, controller)
      t.strictSame(
        reported.map(fault => typeof fault),
        policy === 'skip' ? [] : ['function', 'function', 'function'],
      )
    }
    t.match(reported.map(madeFault), [{ code: /FRAME/ }, { code: /FRAME/ }, { code: /FRAME/ }])
  })
}

t.test('where nobody hears of faults none is made', async t => {
  const client = connect(
    pipeline().through(
      stage<Buffer, Buffer>({
        name: 'judge',
        accepts: 'bytes',
        emits: 'bytes',
        open: () => ({
          transform: (chunk, controller) => {
            controller.report(() => t.fail('it is made') as never)
            controller.enqueue(chunk)
          },
        }),
      }),
    ),
  )
  client.end('x')
  t.equal((await client.receive()).toString(), 'x')
})

for (const plan of PLANS) {
  t.test(`${plan}: the faults of a second are counted, however they come`, async t => {
    const told: BywashError[] = []
    const client = connect(
      pipeline()
        .through(lines())
        .through(jsonLines({ invalid: 'report' }))
        .through(toJsonLines())
        .through(toLines()),
      {
        plan,
        connection: new Connection(1, {}, fakeClock()),
        onError: error => told.push(error),
      },
    )
    client.end('x\n'.repeat(50))
    t.equal((await client.receive()).length, 0)
    await client.outcome
    t.equal(told.length, 11)
    t.match(told.at(-1), { code: 'ERR_BYWASH_MORE_FAULTS', count: 40 })
  })
}

t.test('each connection has its own count, and its end tells of the last second', async t => {
  const codes: string[] = []
  const decoder = pipeline()
    .through(lines({ overflow: 'report', maxLength: 1 }))
    .through(toLines())
  for (const id of [1, 2]) {
    const client = connect(decoder, {
      connection: new Connection(id, {}, fakeClock()),
      maxReports: 1,
      onError: ({ code }) => codes.push(code),
    })
    client.end('xx\nxx\nxx\n')
    await client.outcome
  }
  const each = ['ERR_BYWASH_FRAME_TOO_LONG', 'ERR_BYWASH_MORE_FAULTS']
  t.strictSame(codes, [...each, ...each])
})

/** Sends bytes, and returns how many faults were told, and how many were only counted. */
async function countsOf(served: Pipeline<Buffer, Buffer>, input: Buffer, plan: PlanMode) {
  const told: BywashError[] = []
  const client = connect(served, {
    plan,
    connection: new Connection(1, {}, fakeClock()),
    maxReports: 2,
    onError: error => told.push(error),
  })
  client.end(input)
  const output = await client.receive()
  const { reason } = await client.outcome
  const last = told.at(-1)
  const untold = last instanceof MoreFaultsError ? last.count : 0
  return { output, reason, told: untold > 0 ? told.length - 1 : told.length, untold }
}

/** A stage that reports each chunk, and ends the connection in its own way at the first x. */
const reportsUntil = (end: (controller: Controller<Buffer>) => void) =>
  stage<Buffer, Buffer>({
    name: 'judge',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({
      transform: (chunk, controller) => {
        for (const byte of chunk) {
          if (byte === 0x78) return end(controller)
          controller.report(() => fault)
        }
      },
      flush: controller => {
        for (let count = 0; count < 3; count++) controller.report(() => fault)
      },
    }),
  })

for (const plan of PLANS) {
  t.test(`${plan}: faults that are only counted cut no output into short chunks`, async t => {
    let chunks = 0
    const count = () =>
      new Transform({
        transform: (chunk, _encoding, callback) => {
          chunks++
          callback(null, chunk)
        },
      })
    // The stage that reports is a stream of its own on plan streams; the stage behind it waits.
    const served = pipeline()
      .through(lines({ maxLength: 2, overflow: 'report' }))
      .through(asyncMap('same', async (line: string) => line, { concurrency: 4 }))
      .through(toLines())
      .through(fromStream('count', count))
    const pairs = 5000
    const { output, told, untold } = await countsOf(served, Buffer.from('xxx\nok\n'.repeat(pairs)), plan)
    t.equal(output.toString(), 'ok\n'.repeat(pairs))
    t.strictSame([told, untold], [2, pairs - 2])
    // Plan streams hands on each line by itself.
    if (plan === 'fused') t.ok(chunks < pairs / 10, `${chunks} chunks for ${pairs} faults`)
  })

  t.test(
    `${plan}: faults are counted in front of the end that their own stage makes, and in its flush`,
    async t => {
      const terminating = pipeline().through(reportsUntil(controller => controller.terminate()))
      t.match(await countsOf(terminating, Buffer.from('aaaaa'), plan), { told: 2, untold: 6 })
      t.match(await countsOf(terminating, Buffer.from('aaaaax'), plan), {
        reason: 'terminated',
        told: 2,
        untold: 3,
      })
      const failing = pipeline().through(reportsUntil(controller => controller.error(fault)))
      t.match(await countsOf(failing, Buffer.from('aaaaax'), plan), {
        reason: 'frame-too-long',
        told: 2,
        untold: 3,
      })
    },
  )

  t.test(`${plan}: a fault that is reported later than in a call of its stage is counted too`, async t => {
    const late = stage<Buffer, Buffer>({
      name: 'late',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        flush: controller =>
          new Promise<void>(resolve => {
            setImmediate(() => {
              for (let count = 0; count < 4; count++) controller.report(() => fault)
              setImmediate(resolve)
            })
          }),
      }),
    })
    t.match(await countsOf(pipeline().through(late), Buffer.from('a'), plan), { told: 2, untold: 2 })
  })

  t.test(`${plan}: a stream that reports while it is opened is counted`, async t => {
    const early = fromStream('early', (_connection, _fail, report) => {
      for (let count = 0; count < 4; count++) report(() => fault)
      return new PassThrough()
    })
    t.match(await countsOf(pipeline().through(early), Buffer.from('a'), plan), { told: 2, untold: 2 })
  })
}

t.test('numbers of faults that follow each other are added up, and the first keeps its place', async t => {
  const reports: Report[] = []
  const shown = () =>
    reports.map(({ behind, fault }) => [behind, fault instanceof UntoldFaults ? fault.count : 'told'])
  addReport(reports, { behind: 1, fault: new UntoldFaults(1) })
  addReport(reports, { behind: 1, fault: new UntoldFaults(2) })
  t.strictSame(shown(), [[1, 3]])
  for (const behind of [2, 3, 4]) addReport(reports, { behind, fault: new UntoldFaults(1) })
  t.strictSame(shown(), [
    [1, 3],
    [4, 3],
  ])
  addReport(reports, { behind: 5, fault })
  addReport(reports, { behind: 6, fault: new UntoldFaults(1) })
  t.strictSame(shown(), [
    [1, 3],
    [4, 3],
    [5, 'told'],
    [6, 1],
  ])
})
