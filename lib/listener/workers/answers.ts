import type { Clock } from '../../clock.js'
import type { PrimaryMessage } from './messages.js'
import type { WorkerProcess } from './worker-process.js'

/** The answers to a question of the primary to several workers. */
export class WorkerAnswers {
  readonly #awaited = new Set<WorkerProcess>()
  #complete: Promise<void> | undefined
  #resolveComplete = () => {}

  /**
   * Asks workers, and those that were asked before go on being waited for. Resolves when each has answered or has gone, or at the end
   * of the time.
   */
  async ask(
    workers: readonly WorkerProcess[],
    message: PrimaryMessage,
    { clock, ms }: { readonly clock: Clock; readonly ms: number },
  ): Promise<void> {
    for (const worker of workers) {
      this.#awaited.add(worker)
      worker.send(message)
    }
    if (this.#awaited.size === 0) return
    this.#complete ??= new Promise(resolve => {
      this.#resolveComplete = resolve
    })
    const timer = clock.setTimeout(() => this.#giveUp(), ms)
    await this.#complete
    clock.clearTimeout(timer)
  }

  isAwaited(worker: WorkerProcess): boolean {
    return this.#awaited.has(worker)
  }

  /** Waits no longer for a worker: it has answered, or has gone. */
  goOnWithout(worker: WorkerProcess): void {
    this.#awaited.delete(worker)
    if (this.#awaited.size === 0) this.#giveUp()
  }

  /** Waits no longer for any. Those that have not answered are still known. */
  #giveUp(): void {
    this.#complete = undefined
    this.#resolveComplete()
  }
}
