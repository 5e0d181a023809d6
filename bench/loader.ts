import { startChild, stopChild } from './children.js'
import { keepOn } from './cores.js'
import type { Job, JobResult, Load } from './load/job.js'
import type { Measured } from './load/measured.js'
import { nodeCommand } from './node-command.js'
import type { Server } from './server.js'

/** A job that takes this much longer than it measures has failed. */
const PATIENCE_MS = 30_000

/** The process that loads the servers. */
export class Loader {
  readonly #child = startChild(nodeCommand('load.ts'), true)

  keepOn(core: number): void {
    if (this.#child.pid !== undefined) keepOn(core, this.#child.pid)
  }

  /** Loads a server. Rejects when it answers wrong, or not at all. */
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
      const timer = setTimeout(onLate, job.seconds * 1e3 + PATIENCE_MS)
      child.once('exit', onExit).once('message', settle)
      child.send(job)
    })
  }

  stop(): void {
    stopChild(this.#child)
  }
}
