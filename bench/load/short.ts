import { setTimeout as delay } from 'node:timers/promises'
import type { Fail } from './client.js'
import { converse } from './converse.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import { makeTape } from './tape.js'

const TAPE_LINES = 509

/** Workload `short`: some clients at a time connect, send a line, read the answer to its end, and begin again. */
export async function short(job: JobOf<'short'>, fail: Fail): Promise<Measured> {
  const { target, connections, seconds } = job
  const tape = makeTape(64, TAPE_LINES, target)
  let served = 0
  let over = false
  const visits = Array.from({ length: connections }, async () => {
    while (!over) {
      await converse(target, tape, served % TAPE_LINES, fail)
      served++
    }
  })
  await delay(seconds * 250)
  const watch = new Watch(target.pid)
  watch.begin()
  const before = served
  await delay(seconds * 1e3)
  const measured = watch.end(served - before)
  over = true
  await Promise.all(visits)
  return measured
}
