import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  Connection,
  generate,
  lines,
  map,
  type Outcome,
  pipeline,
  type Stage,
  stage,
  toLines,
} from '../../lib/index.js'
import { FakeSocket } from '../../lib/testing/fake-socket.js'
import { type FakeClock, fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { runs } from '../runs.js'

const turn = () => new Promise(resolve => setImmediate(resolve))

/** Waits on the clock of a connection, and no longer than the connection is there. */
function wait({ clock, signal }: Connection, milliseconds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(resolve, milliseconds)
    const onAbort = () => {
      clock.clearTimeout(timer)
      reject(signal.reason)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** What the stages of a connection have opened and closed. */
interface Ledger {
  opened: number
  closed: number
}

/** A stage that takes its time, and what it makes of lines. */
interface Sort {
  readonly make: (
    delay: (line: string) => number,
    concurrency: number,
    ledger: Ledger,
  ) => Stage<string, string>
  readonly lines: (input: readonly string[]) => string[]
}

const upper = (line: string) => line.toUpperCase()

const SORTS: Record<string, Sort> = {
  map: {
    make: delay => map('waits', (line, connection) => wait(connection, delay(line)).then(() => upper(line))),
    lines: input => input.map(upper),
  },
  'now and then': {
    make: delay =>
      map('now and then', (line, connection) =>
        delay(line) % 2 === 0 ? upper(line) : wait(connection, delay(line)).then(() => upper(line)),
      ),
    lines: input => input.map(upper),
  },
  asyncMap: {
    make: (delay, concurrency) =>
      asyncMap('calls', (line, connection) => wait(connection, delay(line)).then(() => upper(line)), {
        concurrency,
      }),
    lines: input => input.map(upper),
  },
  generate: {
    make: (delay, _concurrency, ledger) =>
      generate('generates', async function* (items, connection) {
        ledger.opened++
        try {
          for await (const line of items) {
            yield line
            await wait(connection, delay(line))
            yield `${line}2`
          }
          await wait(connection, 3)
          yield 'last'
        } finally {
          ledger.closed++
        }
      }),
    lines: input => [...input.flatMap(line => [line, `${line}2`]), 'last'],
  },
  stage: {
    make: (delay, _concurrency, ledger) =>
      stage({
        name: 'flushes',
        accepts: 'line',
        emits: 'line',
        open: connection => {
          ledger.opened++
          let count = 0
          return {
            start: controller => wait(connection, 2).then(() => controller.enqueue('first')),
            transform: async (line, controller) => {
              count++
              await controller.ready
              await wait(connection, delay(line))
              controller.enqueue(line)
            },
            flush: controller => wait(connection, 4).then(() => controller.enqueue(`${count} lines`)),
            close: () => {
              ledger.closed++
            },
          }
        },
      }),
    lines: input => ['first', ...input, `${input.length} lines`],
  },
}

/** What happens to a connection. */
interface Course {
  readonly sorts: readonly (keyof typeof SORTS)[]
  readonly delays: readonly number[]
  readonly concurrency: number
  readonly lines: readonly string[]
  /** Bytes of the next chunk, or what else the client does. */
  readonly steps: readonly (number | 'stalls' | 'reads' | 'time')[]
  /** The step before which the client resets. */
  readonly reset: number | undefined
}

/** Takes a connection through its course, and says how it went. */
async function run(course: Course, plan: (typeof PLANS)[number]) {
  const { sorts, delays, concurrency, steps, reset } = course
  const clock: FakeClock = fakeClock()
  const ledger: Ledger = { opened: 0, closed: 0 }
  const delay = (line: string) => delays[line.length % delays.length] as number
  let list = pipeline().through(lines())
  for (const sort of sorts) list = list.through((SORTS[sort] as Sort).make(delay, concurrency, ledger))
  const socket = new FakeSocket()
  let outcome: Outcome | undefined
  const errors: string[] = []
  const connection = new Connection(1, {}, clock)
  const handled = list
    .through(toLines())
    .handle(socket, { plan, connection, onError: ({ message }) => errors.push(message) })
    .then(result => {
      outcome = result
    })
  const input = Buffer.from(course.lines.map(line => `${line}\n`).join(''))
  let at = 0
  for (const [index, step] of [...steps, input.length].entries()) {
    if (index === reset) socket.destroy()
    else if (step === 'stalls') socket.stall(true)
    else if (step === 'reads') socket.stall(false)
    else if (step === 'time') clock.advance(2)
    else {
      socket.send(input.subarray(at, at + step))
      at += step
    }
    await turn()
  }
  socket.stall(false)
  socket.send(null)
  for (let turns = 0; outcome === undefined && turns < 5_000; turns++) {
    if (turns % 3 === 0) clock.advance(1)
    await turn()
  }
  if (outcome === undefined) throw new Error('it does not end')
  await handled
  for (let turns = 0; turns < 4; turns++) await turn()
  return { output: String(socket.received), outcome, errors, ledger, pending: clock.pending }
}

const course = fc.record({
  sorts: fc.array(fc.constantFrom(...Object.keys(SORTS)), { minLength: 1, maxLength: 3 }),
  delays: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  lines: fc.array(fc.stringMatching(/^[a-z]{0,5}$/), { maxLength: 12 }),
  steps: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.nat(9) },
      { weight: 2, arbitrary: fc.constantFrom('stalls' as const, 'reads' as const, 'time' as const) },
    ),
    { maxLength: 20 },
  ),
  reset: fc.option(fc.nat(20), { nil: undefined }),
})

t.test(
  'random lists that wait, cuts, stalls and resets: the same on both plans, in order, and nothing is left',
  async t => {
    // Loads the modules of plan streams, which takes more turns than a course is given.
    await runStage(
      map('first', line => line),
      [],
      { plan: 'streams' },
    )
    await fc.assert(
      fc.asyncProperty(course, async each => {
        const expected = each.sorts
          .reduce((all: readonly string[], sort) => (SORTS[sort] as Sort).lines(all), each.lines)
          .map(line => `${line}\n`)
          .join('')
        for (const plan of PLANS) {
          const { output, outcome, errors, ledger, pending } = await run(each, plan)
          t.equal(ledger.closed, ledger.opened, 'each is closed once')
          t.equal(pending, 0, 'no timer is left')
          t.strictSame(errors, [])
          if (each.reset === undefined || each.reset > each.steps.length) {
            t.equal(output, expected)
            t.equal(outcome.reason, 'end')
          } else {
            t.ok(expected.startsWith(output))
            t.equal(outcome.reason, 'client-reset')
          }
        }
      }),
      { numRuns: runs(300) },
    )
  },
)
