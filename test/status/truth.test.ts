import type t from 'tap'
import {
  asyncMap,
  Connection,
  generate,
  lines,
  map,
  type Pipeline,
  pipeline,
  type Stage,
  type Status,
  toLines,
  uppercase,
} from '../../lib/index.js'
import { connect, type FakeClock, fakeClock, type TestClient } from '../../lib/testing/index.js'

/** Turns of the event loop in which everything that does not wait for the clock has happened. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** A stage of lines that takes so many milliseconds of the clock for each. */
const slow = (name: string, clock: FakeClock, milliseconds: number) =>
  map(name, (line: string) => {
    clock.advance(milliseconds)
    return line
  })

/** A stage whose calls take so long, and nobody's time. */
const later = (name: string, clock: FakeClock, milliseconds: number, concurrency = 1) =>
  asyncMap(
    name,
    (line: string) => new Promise<string>(resolve => clock.setTimeout(() => resolve(line), milliseconds)),
    { concurrency },
  )

type Line = Stage<string, string>
type Bytes = Pipeline<Buffer, Buffer>

const listOf = (...stages: readonly Line[]): Bytes => {
  let list: Pipeline<Buffer, string> = pipeline().through(lines())
  for (const each of stages) list = list.through(each)
  return list.through(toLines())
}

interface Run {
  readonly list: Bytes
  readonly clock: FakeClock
  readonly client: TestClient
  /** Moves the clock in steps, and lets happen what is due. */
  readonly pass: (milliseconds: number, step?: number) => Promise<void>
  readonly status: () => Promise<Status>
}

async function begin(t: Tap.Test, list: Bytes, clock: FakeClock): Promise<Run> {
  await list.status()
  const client = connect(list, { connection: new Connection(1, {}, clock) })
  await settle()
  t.teardown(async () => {
    client.reset()
    await client.outcome
  })
  return {
    list,
    clock,
    client,
    pass: async (milliseconds, step = 10) => {
      for (let passed = 0; passed < milliseconds; passed += step) {
        clock.advance(step)
        await settle()
      }
    },
    status: () => list.status(),
  }
}

/** Sends a line each `interval` milliseconds, which the stages themselves may have used up. */
async function feed({ client, clock, pass }: Run, count: number, interval: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const due = clock.now() + interval
    client.send('a\n')
    await settle()
    const left = due - clock.now()
    if (left > 0) await pass(left, Math.min(left, 10))
  }
}

namespace Tap {
  export type Test = Parameters<Parameters<typeof t.test>[1]>[0]
}
