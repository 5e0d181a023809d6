import { TransformStream } from 'node:stream/web'
import t from 'tap'
import { asyncMap, fromWeb, generate, map, semaphore, stage, tap } from '../../../lib/index.js'
import { checkStage } from '../../../lib/testing/index.js'

const turn = () => new Promise(resolve => setImmediate(resolve))
const upper = async (line: string) => {
  await turn()
  return line.toUpperCase()
}
const EXAMPLES = [{ input: ['a', 'bc', ''], output: ['A', 'BC', ''] }]

const SOUND = {
  map: map('upper', upper),
  'map, at times': map('upper', line => (line === '' ? line : upper(line))),
  tap: tap<string>('look', turn),
  asyncMap: asyncMap('upper', upper),
  'asyncMap, several': asyncMap('upper', upper, { concurrency: 3, limit: semaphore(2), timeout: 10_000 }),
  generate: generate('upper', async function* (items) {
    for await (const line of items) yield line.toUpperCase()
  }),
  'generate, late': generate('upper', async function* (items) {
    for await (const line of items) yield await upper(line)
    await turn()
  }),
  stage: stage({
    name: 'upper',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      start: turn as () => Promise<void>,
      transform: async (line, controller) => {
        await turn()
        controller.enqueue(line.toUpperCase())
      },
      flush: turn as () => Promise<void>,
    }),
  }),
  fromWeb: fromWeb(
    'upper',
    () => new TransformStream({ transform: (line, controller) => controller.enqueue(line.toUpperCase()) }),
    { accepts: 'line', emits: 'line' },
  ),
}

for (const [name, checked] of Object.entries(SOUND)) {
  t.test(`checkStage() finds nothing in a sound stage that waits: ${name}`, async () => {
    const examples = name === 'tap' ? [{ input: ['a', ''], output: ['a', ''] }] : EXAMPLES
    await checkStage(checked as typeof SOUND.map, examples, { random: 3 })
  })
}

t.test('checkStage() finds what a stage that waits does wrong', async t => {
  const reordering = asyncMap('upper', line => (line === 'a' ? upper(line) : line.toUpperCase()), {
    concurrency: 3,
    ordered: false,
  })
  await t.rejects(checkStage(reordering, EXAMPLES), { message: /'example'/ })
  const stuck = map('upper', (line: string) =>
    line === 'bc' ? new Promise<string>(() => {}) : line.toUpperCase(),
  )
  await t.rejects(checkStage(stuck, EXAMPLES, { timeout: 500 }), { message: /'upper'/ })
})
