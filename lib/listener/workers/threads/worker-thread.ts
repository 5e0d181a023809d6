import type { Worker } from 'node:worker_threads'
import { type LinkEnd, ThreadLink } from '../../../net/thread-link.js'
import type { WorkerHandle } from '../worker-process.js'

/** A thread with the members of a child process that its supervision needs. */
export class WorkerThread extends ThreadLink implements WorkerHandle {
  /** It has no process of its own. */
  readonly pid = undefined
  readonly thread: number
  readonly #worker: Worker
  /** The error that it has thrown, and nobody caught. */
  #error: unknown
  #isTerminated = false

  constructor(worker: Worker, link: LinkEnd) {
    super(link)
    this.#worker = worker
    // It is -1 once the thread has ended.
    this.thread = worker.threadId
    worker.on('error', error => {
      this.#error = error
    })
    worker.on('exit', code => this.emit('exit', code, null, this.#end(code)))
  }

  kill(): void {
    this.#isTerminated = true
    void this.#worker.terminate()
  }

  #end(code: number): string {
    const error = this.#error
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return 'ran out of memory: its heap was full'
    }
    if (error !== undefined) return `ended with an uncaught error: ${error}`
    return this.#isTerminated ? 'was terminated' : `ended with exit code ${code}`
  }
}
