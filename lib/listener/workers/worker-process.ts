import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { WorkerError } from '../../errors.js'
import type { PrimaryMessage, WorkerListenerMessage, WorkerMessage } from './messages.js'

/** How often a worker is asked for a sign of life. */
export const PING_INTERVAL_MS = 2_500
/** So many questions in a row may stay unanswered: 10 s. They are counted, for the primary may have slept itself. */
const MAX_UNANSWERED_PINGS = 4

interface WorkerEvents {
  readonly onMessage: (worker: WorkerProcess, message: WorkerListenerMessage) => void
  /** The process has ended, and all that it had reported before was heard. */
  readonly onGone: (worker: WorkerProcess, error: WorkerError) => void
}

/** A worker, as the primary sees it. */
export class WorkerProcess {
  /** The listeners that it has called `listen()` for. */
  readonly listeners = new Set<string>()
  /** How many connections it has, with those that are on their way to it. */
  connections = 0
  /** Takes no more connections. */
  isLeaving = false
  /** When it was first ready to serve. */
  readyAt: number | undefined
  readonly #child: ChildProcess
  #unansweredPings = 0

  constructor(number: number, child: ChildProcess, { onMessage, onGone }: WorkerEvents) {
    this.#child = child
    child.on('message', (message: WorkerMessage | undefined) => {
      if (message?.bywash === 'pong') this.#unansweredPings = 0
      else if (message?.bywash !== undefined) onMessage(this, message)
    })
    const onEnd = (end: string) =>
      onGone(this, new WorkerError(`worker ${number} (process ${child.pid}) ${end}`))
    child.on('error', error => {
      if (child.pid === undefined) onEnd(`could not be started: ${error.message}`)
      else process.emitWarning(error)
    })
    child.on('exit', (code, signal) => {
      const end = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
      // What it had reported last may still be on its way.
      if (child.connected) child.once('disconnect', () => onEnd(end))
      else onEnd(end)
    })
  }

  /** The socket stays open here too: who sends cannot know whether it arrives. */
  send(message: PrimaryMessage, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /** Asks for a sign of life, or kills it when it has given none for too long. */
  ping(): void {
    if (this.readyAt === undefined) return
    if (this.#unansweredPings === MAX_UNANSWERED_PINGS) {
      this.kill()
    } else {
      this.#unansweredPings++
      this.send({ bywash: 'ping' })
    }
  }

  /** Ends it: a worker of node:cluster exits when it has lost its primary. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
