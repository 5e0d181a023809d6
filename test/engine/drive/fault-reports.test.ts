import t from 'tap'
import { FaultReports } from '../../../lib/engine/drive/fault-reports.js'
import { madeFault } from '../../../lib/errors.js'
import {
  type BywashError,
  Connection,
  type Controller,
  type Fault,
  FrameTooLongError,
  lines,
  MoreFaultsError,
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
  return { clock, told, reports }
}

t.test('of each second the first faults are told, and then how many more there were', async t => {
  const { clock, told, reports } = reporting(2)
  const { code } = fault
  for (let count = 0; count < 5; count++) reports.report(fault)
  t.strictSame(told, [code, code])
  clock.advance(999)
  reports.report(fault)
  t.strictSame(told, [code, code])
  clock.advance(1)
  t.strictSame(told, [code, code, 4])
  clock.advance(10_000)
  t.equal(told.length, 3, 'nothing is told where nothing was left out')
  reports.report(fault)
  clock.advance(500)
  reports.report(fault)
  clock.advance(500)
  t.strictSame(told.slice(3), [code, code], 'the next second begins with the next fault')
  for (let count = 0; count < 3; count++) reports.report(fault)
  reports.end()
  t.strictSame(told.slice(5), [code, code, 1], 'the end of the connection ends the second')
  clock.advance(10_000)
  t.equal(told.length, 8, 'once')
})

t.test('an error is made only for a fault that is told', async t => {
  const { told, reports } = reporting(2)
  let made = 0
  for (let count = 0; count < 5; count++) {
    reports.report(() => {
      made++
      return fault
    })
  }
  t.strictSame([made, told.length], [2, 2])
})

t.test('with 0 every fault is told', async t => {
  const { told, reports } = reporting(0)
  for (let count = 0; count < 50; count++) reports.report(count % 2 === 0 ? fault : () => fault)
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
