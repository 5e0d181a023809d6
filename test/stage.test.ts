import { PassThrough } from 'node:stream'
import t from 'tap'
import { asyncMap, fromStream, map, stage, tap } from '../lib/index.js'
import { runStage } from '../lib/testing/index.js'

const definition = { name: 'own', accepts: 'line', emits: 'line', open: () => ({}) } as const

t.test(
  'an option that does not exist is refused, also one that the stages of bywash have among themselves',
  async t => {
    for (const name of ['blocks', 'greeting', 'inert', 'lasy']) {
      t.throws(() => stage<string, string>({ ...definition, [name]: true }), {
        code: 'ERR_BYWASH_INVALID_OPTION',
        message: `stage('own') has no option '${name}'. It takes name, accepts, emits, open, stream, lazy, asks, upgrades.`,
      })
    }
    // @ts-expect-error no option of stage()
    t.throws(() => stage<string, string>({ ...definition, inert: true }))
    const invalid = (make: () => unknown, message: string) =>
      t.throws(make, { code: 'ERR_BYWASH_INVALID_OPTION', message })
    const misspelt = { ask: false } as object
    invalid(
      () => map('own', line => line, misspelt),
      "map('own') has no option 'ask'. It takes accepts, emits, bytewise, asks.",
    )
    invalid(() => tap('own', () => {}, misspelt), "tap('own') has no option 'ask'. It takes asks.")
    invalid(
      () => fromStream('own', () => t.fail() as never, misspelt),
      "fromStream('own') has no option 'ask'. It takes accepts, emits, asks.",
    )
    invalid(
      () => asyncMap('own', async line => line, misspelt),
      "asyncMap('own') has no option 'ask'. It takes accepts, emits, asks, limit, concurrency, ordered, timeout.",
    )
  },
)

t.test('what is no object of options is refused by name', async t => {
  for (const [wrong, shown] of [
    [null, 'null'],
    [5, '5'],
    ['line', '"line"'],
    [[], 'a list'],
  ] as [never, string][]) {
    for (const [make, owner] of [
      [() => stage(wrong), /^stage\('.*'\)/],
      [() => map('own', line => line, wrong), /^map\('own'\)/],
      [() => tap('own', () => {}, wrong), /^tap\('own'\)/],
      [() => fromStream('own', () => t.fail() as never, wrong), /^fromStream\('own'\)/],
      [() => asyncMap('own', async line => line, wrong), /^asyncMap\('own'\)/],
    ] as const) {
      const message = new RegExp(`${owner.source} takes an object of options; got ${shown}\\.$`)
      t.throws(make, { code: 'ERR_BYWASH_INVALID_OPTION', message })
    }
  }
})

t.test('asks and lazy are true or false', async t => {
  for (const name of ['asks', 'lazy']) {
    t.throws(() => stage<string, string>({ ...definition, [name]: 1 }), {
      code: 'ERR_BYWASH_INVALID_OPTION',
      message: `Stage 'own': '${name}' is true or false; got 1.`,
    })
  }
  t.throws(() => tap('own', () => {}, { asks: 'no' as never }), {
    message: /'asks' is true or false; got "no"/,
  })
})

t.test("plan 'streams' runs the stream of a stage, and plan 'fused' what it opens", async t => {
  const own = stage<string, string>({
    ...definition,
    open: () => ({ transform: (line, controller) => controller.enqueue(`opened ${line}`) }),
    stream: () => new PassThrough({ objectMode: true }),
  })
  t.strictSame(await runStage(own, ['a'], { plan: 'fused' }), ['opened a'])
  t.strictSame(await runStage(own, ['a'], { plan: 'streams' }), ['a'])
  t.throws(() => stage<string, string>({ ...definition, stream: null as never }), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: "Stage 'own' needs a function as its 'stream'; got null.",
  })
})
