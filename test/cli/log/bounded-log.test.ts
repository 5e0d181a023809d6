import { Writable } from 'node:stream'
import t from 'tap'
import { MAX_PENDING_BYTES } from '../../../lib/cli/log/bounded-log.js'
import { type LogSettings, openLog } from '../../../lib/cli/log/log.js'

/** A line of 1 KiB, with its line feed. */
const KIBIBYTE = 'x'.repeat(1023)
const FITTING = MAX_PENDING_BYTES / 1024

/** A log whose reader reads when it is told to: `read` gives all that waits, and what is written meanwhile. */
async function stalled(settings: Partial<LogSettings> = {}) {
  const lines: string[] = []
  let goOn = () => {}
  const stream = new Writable({
    decodeStrings: false,
    write(line: string, _, callback) {
      lines.push(line.trimEnd())
      goOn = callback
    },
  })
  const { info } = await openLog({ format: undefined, quiet: false, ...settings }, stream)
  const read = async () => {
    while (stream.writableLength > 0) {
      goOn()
      await new Promise(setImmediate)
    }
    return lines.splice(0)
  }
  return { stream, info, read }
}

t.test(
  'while nobody reads, no more than 1 MiB waits; then the log says how many lines were lost',
  async t => {
    const { stream, info, read } = await stalled()
    for (let line = 0; line < FITTING + 500; line++) info(KIBIBYTE)
    t.equal(stream.writableLength, MAX_PENDING_BYTES)
    t.equal(stream.listenerCount('drain'), 1, 'however many lines are lost')
    t.strictSame(await read(), [
      ...Array<string>(FITTING).fill(KIBIBYTE),
      '500 lines lost: the log was not read fast enough',
    ])

    info('it goes on')
    t.strictSame(await read(), ['it goes on'])
    for (let line = 0; line <= FITTING; line++) info(KIBIBYTE)
    t.equal((await read()).at(-1), '1 line lost: the log was not read fast enough', 'counted anew')
  },
)

t.test(
  'lines that come while the reader catches up are lost too, so that the count stands in its place',
  async t => {
    const { info, read, stream } = await stalled()
    for (let line = 0; line <= FITTING; line++) info(KIBIBYTE)
    const caughtUp = read()
    await new Promise(setImmediate)
    t.ok(stream.writableLength < MAX_PENDING_BYTES)
    info('too early')
    const lines = await caughtUp
    t.notOk(lines.includes('too early'))
    t.equal(lines.at(-1), '2 lines lost: the log was not read fast enough')
  },
)

t.test('as JSON the count is an entry, of the level that is logged with quiet too', async t => {
  const { info, read } = await stalled({ format: 'json' })
  for (let line = 0; line < 2 * FITTING; line++) info(KIBIBYTE)
  const lines = (await read()).map(line => JSON.parse(line))
  t.match(lines.at(-1), { level: 'error', msg: /^\d+ lines lost: the log was not read fast enough$/ })
  t.equal(lines.length - 1 + Number.parseInt(lines.at(-1).msg, 10), 2 * FITTING, 'each is written or counted')
})

t.test('a terminal is written without waiting for it', async t => {
  const modes: boolean[] = []
  const stream = Object.assign(new Writable(), {
    _handle: { setBlocking: (on: boolean) => modes.push(on) },
  })
  await openLog({ format: 'text', quiet: false }, stream)
  t.strictSame(modes, [false])
})
