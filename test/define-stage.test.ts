import t from 'tap'
import { originOf } from '../lib/define-stage.js'
import { stageFactoryOf, stageFrom } from '../lib/definition.js'
import { defineStage, map, option, pipeline } from '../lib/index.js'
import { runStage } from '../lib/testing/index.js'

const pad = defineStage({
  name: 'pad',
  summary: 'pads each line',
  accepts: 'line',
  emits: 'line',
  arguments: [
    { width: option.integer({ help: 'how wide' }) },
    { by: option.text({ help: 'what with', minimum: 1 }) },
  ],
  options: {
    side: option.choice(['left', 'right'], { help: 'where', default: 'left' }),
    most: option.integer({ help: 'the largest width' }),
  },
  make: ({ width, by, side, most = 100 }, given) =>
    map('pad', line => {
      const wide = Math.min(width, most)
      return `${side === 'left' ? line.padStart(wide, by) : line.padEnd(wide, by)}${Object.keys(given)}`
    }),
})
const sink = defineStage({
  name: 'sink',
  summary: 'needs an option',
  accepts: 'any',
  emits: 'same',
  options: { to: option.text({ help: 'where to', required: true }), on: option.boolean({ help: 'if' }) },
  make: () => map('sink', line => line),
})
const plain = defineStage({
  name: 'plain',
  summary: 'takes nothing',
  accepts: 'line',
  emits: 'line',
  make: () => map('plain', line => line),
})

const refused = (message: string) => ({ code: 'ERR_BYWASH_INVALID_OPTION', message })

t.test(
  'a definition makes a function with its name, and stages with checked settings and defaults',
  async t => {
    t.equal(pad.name, 'pad')
    t.strictSame(await runStage(pad(3, '-'), ['a']), ['--a'])
    t.strictSame(await runStage(pad(5, '-', { side: 'right', most: 2 }), ['a']), ['a-side,most'])
    t.strictSame(await runStage(plain(), ['a']), ['a'])
    t.strictSame(await runStage(sink({ to: 'x' }), ['a']), ['a'])
    t.strictSame(
      await runStage(pad(3, '-', { most: undefined } as object), ['a']),
      ['--a'],
      'undefined is absent',
    )
  },
)

t.test('its types are those of the definition', async t => {
  // @ts-expect-error an argument is missing
  t.throws(() => pad(3), refused(`pad(): 'by' is text; got undefined.`))
  // @ts-expect-error an object is no number
  t.throws(() => pad({}, '-'), {
    message: /^pad\(\): 'width' is a whole number, from 0 to \d+; got an object\.$/,
  })
  // @ts-expect-error no such side
  t.throws(() => pad(3, '-', { side: 'up' }), refused(`pad(): 'side' is one of "left", "right"; got "up".`))
  // @ts-expect-error no such option
  t.throws(() => pad(3, '-', { sides: 'left' }), refused("pad() has no option 'sides'. It takes side, most."))
  // @ts-expect-error an option is missing
  t.throws(() => sink({}), refused("sink(): 'to' is text; got undefined."))
  // @ts-expect-error options are missing
  t.throws(() => sink(), refused("sink() takes options with 'to'."))
  // @ts-expect-error there are no options
  t.throws(() => plain(5), refused('plain() takes no options; got 5.'))
  // @ts-expect-error there are no options
  t.throws(() => plain({ a: 1 }), refused("plain() has no option 'a'. It takes none."))
  t.throws(() => pad(3, '-', null as never), refused('pad() takes an object of options; got null.'))
})

t.test('the definition can be read, and not changed', async t => {
  t.match(pad.definition, {
    name: 'pad',
    summary: 'pads each line',
    accepts: 'line',
    emits: 'line',
    examples: [],
  })
  t.strictSame(Object.keys(pad.definition.arguments), ['width', 'by'])
  t.ok(Object.isFrozen(pad.definition) && Object.isFrozen(pad.definition.options) && Object.isFrozen(pad))
})

t.test('a stage tells what it was made of', async t => {
  t.match(originOf(pad(3, '-', { most: 5 })), {
    definition: pad.definition,
    given: { width: 3, by: '-', most: 5 },
    settings: { width: 3, by: '-', most: 5, side: 'left' },
  })
  t.equal(originOf(map('a', line => line)), undefined)
})

t.test('a factory takes everything by name, and a stage or a pipeline is one without options', async t => {
  t.strictSame(await runStage(stageFrom(pad, { by: '-', width: 2 }) as never, ['a']), ['-a'])
  t.strictSame(await runStage(stageFrom(pad, { by: '-', width: 9, most: 2 }) as never, ['a']), ['-amost'])
  t.equal(stageFactoryOf('x', pad), pad)
  const shout = map('shout', line => `${line}!`)
  t.match(stageFactoryOf('x', shout)?.definition, { name: 'shout', accepts: 'line', emits: 'line' })
  t.equal(stageFrom(stageFactoryOf('x', shout)!, {}), shout)
  t.match(stageFactoryOf('x', pipeline())?.definition, { name: 'x', accepts: 'bytes', emits: 'bytes' })
  for (const other of [null, 5, 'lines', {}, () => {}, Object.assign(() => {}, { definition: {} })])
    t.equal(stageFactoryOf('x', other), undefined)
})
