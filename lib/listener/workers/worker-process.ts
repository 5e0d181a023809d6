import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { WorkerError } from '../../errors.js'
import type { PrimaryMessage, WorkerListenerMessage, WorkerMessage } from './messages.js'

/** Interval at which each worker is sent a ping. */
export const PING_INTERVAL_MS = 2_500
/**
 * Pings in a row that may stay unanswered before a worker is killed: 10 s. Pings are counted, and no time is compared,
 * since the primary may have been stopped itself.
 */
const MAX_UNANSWERED_PINGS = 4

interface WorkerEvents {
  readonly onMessage: (worker: WorkerProcess, message: WorkerListenerMessage) => void
  /** Called when the process has ended and all its messages have been handled. */
  readonly onGone: (worker: WorkerProcess, error: WorkerError) => void
}

/** Process of a worker, seen from the primary. */
export class WorkerProcess {
  /** Names of the listeners that are open in this worker. */
  readonly listeners = new Set<string>()
  /** Open connections of this worker, including those on their way to it. */
  connections = 0
  /** True when the worker takes no more connections. */
  isLeaving = false
  /** Time of the first `ready`; undefined before it. */
  readyAt: number | undefined
  /** Whether the process was ended by SIGKILL, which it cannot have sent itself. */
  wasKilled = false
  readonly #child: ChildProcess
  #unansweredPings = 0

  constructor(number: number, child: ChildProcess, { onMessage, onGone }: WorkerEvents) {
    this.#child = child
    child.on('message', (message: WorkerMessage | undefined) => {
      if (message?.bywash === undefined) return
      // Whatever it says, a worker that is only busy has made progress. It may say so long before it answers.
      this.#unansweredPings = 0
      if (message.bywash !== 'pong') onMessage(this, message)
    })
    const onEnd = (end: string) =>
      onGone(this, new WorkerError(`worker ${number} (process ${child.pid}) ${end}`))
    child.on('error', error => {
      if (child.pid === undefined) onEnd(`could not be started: ${error.message}`)
      else process.emitWarning(error)
    })
    child.on('exit', (code, signal) => {
      this.wasKilled = signal === 'SIGKILL'
      const end = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
      // Its last messages may still be in the channel.
      if (child.connected) child.once('disconnect', () => onEnd(end))
      else onEnd(end)
    })
  }

  /** Sends a message. A socket stays open in this process too, since nobody knows yet whether it arrives. */
  send(message: PrimaryMessage, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /** Sends a ping, or kills the worker if it has left too many unanswered. A worker that is not ready yet gets none. */
  ping(): void {
    if (this.readyAt === undefined) return
    if (this.#unansweredPings === MAX_UNANSWERED_PINGS) {
      this.kill()
    } else {
      this.#unansweredPings++
      this.send({ bywash: 'ping' })
    }
  }

  /** Ends the worker: a worker of node:cluster exits when its channel to the primary is closed. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
