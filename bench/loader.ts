import { startChild, stopChild } from './children.js'
import { keepOn } from './cores.js'
import type { Job, JobResult, Load } from './load/job.js'
import type { Measured } from './load/measured.js'
import { nodeCommand } from './node-command.js'
import type { Server } from './server.js'

/** Time that a job may take beyond its measuring time; then it has failed. */
const ANSWER_TIMEOUT_MS = 30_000

/** The load process (load.ts), as its parent sees it. */
export class Loader {
  readonly #child = startChild(nodeCommand('load.ts'), true)

  keepOn(core: number): void {
    if (this.#child.pid !== undefined) keepOn(core, this.#child.pid)
  }

  /** Runs a load on a server, for some seconds. Rejects when the server answers wrong, or not at all. */
  async run(server: Server, load: Load, seconds: number): Promise<Measured | undefined> {
    const result = await this.#perform({ ...load, target: server.target, seconds })
    if (result.kind === 'failed') throw new Error(`${server.entry.name}, ${load.kind}: ${result.message}`)
    return result.measured
  }

  #perform(job: Job): Promise<JobResult> {
    const child = this.#child
    return new Promise(resolve => {
      const settle = (result: JobResult) => {
        clearTimeout(timer)
        child.off('exit', onExit).off('message', settle)
        resolve(result)
      }
      const onExit = () => settle({ kind: 'failed', message: 'the load process ended' })
      const onLate = () => settle({ kind: 'failed', message: 'answers are missing, and do not come' })
      const timer = setTimeout(onLate, job.seconds * 1e3 + ANSWER_TIMEOUT_MS)
      child.once('exit', onExit).once('message', settle)
      child.send(job)
    })
  }

  stop(): void {
    stopChild(this.#child)
  }
}
