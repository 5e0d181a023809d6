// Entry of the load process: runs the jobs that its parent sends, one after the other, and answers with their results.
import { bulk } from './load/bulk.js'
import { check } from './load/check.js'
import type { Fail } from './load/client.js'
import { converse } from './load/converse.js'
import { untilIdle } from './load/cpu-time.js'
import { burst, hold, release } from './load/crowd.js'
import type { Job, JobResult } from './load/job.js'
import type { Measured } from './load/measured.js'
import { pingpong } from './load/pingpong.js'
import { push } from './load/push.js'
import { short } from './load/short.js'
import { makeTape } from './load/tape.js'

process.on('message', (job: Job) => {
  let fail: Fail = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  Promise.race([perform(job, fail), failed]).then(
    measured => answer({ kind: 'done', measured }),
    (error: Error) => answer({ kind: 'failed', message: error.message }),
  )
})
process.on('disconnect', () => process.exit())

async function perform(job: Job, fail: Fail): Promise<Measured | undefined> {
  const measured = await load(job, fail)
  if (job.kind !== 'hold') {
    await converse(job.target, makeTape(64, 1, job.target), 0, fail)
    await untilIdle(job.target.pid)
  }
  return measured
}

async function load(job: Job, fail: Fail): Promise<Measured | undefined> {
  switch (job.kind) {
    case 'pingpong':
      return pingpong(job, fail)
    case 'bulk':
      return bulk(job, fail)
    case 'burst':
      return burst(job, fail)
    case 'short':
      return short(job, fail)
    case 'push':
      return push(job, fail)
    case 'check':
      await check(job, fail)
      return undefined
    case 'hold':
      await hold(job, fail)
      return undefined
    case 'release':
      release()
      return undefined
  }
}

function answer(result: JobResult): void {
  process.send?.(result)
}
