import { AsyncResource } from 'node:async_hooks'
import t from 'tap'
import { Connection } from '../../lib/connection.js'
import type { Flow, Sink } from '../../lib/engine/flow/flow.js'
import { StreamChain } from '../../lib/engine/flow/streams.js'
import { UpgradableFlow } from '../../lib/engine/flow/upgradable-flow.js'
import { makePlan, place } from '../../lib/engine/plan.js'
import { pipeline, stage } from '../../lib/index.js'

/** An object whose functions note that they were called, and what they return. */
function noting<Shape extends object>(calls: unknown[], answers: Partial<Shape>): Shape {
  return new Proxy(answers, {
    get: (known, name) => {
      const answer = known[name as keyof Shape]
      if (answer !== undefined && typeof answer !== 'function') return answer
      return (...args: never[]) => {
        calls.push(name)
        return (answer as ((...args: never[]) => unknown) | undefined)?.(...args)
      }
    },
  }) as Shape
}

const upgrading = stage<Buffer, Buffer>({
  name: 'upgrading',
  accepts: 'bytes',
  emits: 'bytes',
  upgrades: true,
  open: () => ({}),
})
const plan = makePlan('bytes', place('bytes', [upgrading]), 'fused')
const passed = { items: 1, bytes: 2 }

function upgradable() {
  const calls: unknown[] = []
  const sinks: Sink[] = []
  const written: unknown[] = []
  let loaded = () => {}
  const flow = new UpgradableFlow(
    plan,
    noting<Sink>(calls, { becomes: undefined, hasRoom: () => false } as never),
    {
      isLoaded: () => false,
      load: () =>
        new Promise<void>(resolve => {
          loaded = resolve
        }),
      open: (_plan, sink) => {
        sinks.push(sink)
        return noting<Flow>(calls, {
          bytes: 3,
          held: [passed],
          wait: { for: 'input', since: 1 },
          counts: () => [{ name: 'upgrading', in: passed, out: passed }],
          write: item => {
            written.push(item)
            return true
          },
        })
      },
    },
  )
  flow.open(new Connection(1), new AsyncResource('test'))
  return { flow, calls, sinks, written, load: () => loaded() }
}

t.test('the list at work is asked for what a connection waits for, and what it holds', async t => {
  const { flow, calls } = upgradable()
  calls.length = 0
  flow.overdue(1)
  flow.unanswered(1)
  flow.observe(undefined, new Connection(1))
  flow.charge()
  t.same(calls, ['overdue', 'unanswered', 'observe', 'charge'])
  t.same([flow.held, flow.wait], [[passed], { for: 'input', since: 1 }])
})

t.test('between two lists what comes is kept, and the next one gets it as one chunk', async t => {
  const { flow, written, load } = upgradable()
  flow.beginChange(pipeline())
  t.equal(flow.write(Buffer.from('c')), false)
  flow.change(Buffer.from('ab'), false)
  t.equal(flow.write(Buffer.from('d')), false)
  t.same(written, [])
  load()
  await new Promise(resolve => setImmediate(resolve))
  t.same(written.map(String), ['abcd'])
  t.equal(flow.bytes, 6)
})

t.test('a list that begins behind the end of the output gives none, and tells how it ends', async t => {
  const { flow, calls, sinks, load } = upgradable()
  flow.beginChange(pipeline())
  flow.change(undefined, true)
  load()
  await new Promise(resolve => setImmediate(resolve))
  const muted = sinks[1] as Sink
  calls.length = 0
  muted.write(Buffer.from('lost'))
  muted.reply({ bytes: Buffer.from('lost') } as never)
  muted.outputEnded()
  t.same([muted.endTurn(), muted.hasRoom(1), muted.isFlushed, muted.desiredSize], [true, true, true, 0])
  t.same(calls, [])
  muted.overflow()
  muted.drained()
  muted.inputClosed()
  muted.finish(true)
  muted.claimReport()
  muted.report(new Error('a fault') as never)
  muted.fail(new Error('a failure') as never)
  t.same(calls, ['overflow', 'drained', 'inputClosed', 'finish', 'claimReport', 'report', 'fail'])
})

t.test('what has come for the next list of a connection that is over is dropped', async t => {
  const { flow, written, load } = upgradable()
  flow.beginChange(pipeline())
  flow.abort()
  t.equal(flow.write(Buffer.from('c')), true)
  flow.change(undefined, false)
  load()
  await new Promise(resolve => setImmediate(resolve))
  t.same(written, [])
})

t.test('a list of streams has no input to hold', async t => {
  const chain = new StreamChain(plan, noting<Sink>([], {}))
  t.throws(() => chain.holdInput(), /upgrades: true/)
  t.equal(chain.releaseInput(), undefined)
})
