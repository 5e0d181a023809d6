import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { WorkerError } from '../../errors.js'
import type { PrimaryMessage, RoomMessage, WorkerListenerMessage, WorkerMessage } from './messages.js'

/** Interval at which each worker is sent a ping. */
export const PING_INTERVAL_MS = 2_500
/**
 * Pings in a row that may stay unanswered, 10 s, before a worker is killed that does nothing, or whose system does not tell
 * whether it does anything. Pings are counted, and no time is compared, since the primary may have been stopped itself.
 */
const MAX_UNANSWERED_PINGS = 4
/** The same, 60 s, of a worker that is busy: work that clients have a right to may take long, but a loop without an end too. */
const MAX_BUSY_PINGS = 24

/** The most characters of room messages that may be on their way to a worker. */
const MAX_ROOM_SIZE = 4 * 1_048_576

/** A worker as the system has it: a child process, or a thread that has the same members. */
export interface WorkerHandle extends Pick<EventEmitter, 'on' | 'once'> {
  /** Undefined for a thread, and for a process that could not be started. */
  readonly pid?: number | undefined
  /** The number of the thread; undefined for a process. */
  readonly thread?: number
  readonly connected: boolean
  readonly send: (
    message: object,
    socket: Socket | undefined,
    options: { readonly keepOpen?: boolean } | undefined,
    sent: () => void,
  ) => unknown
  readonly disconnect: () => void
  readonly kill: (signal: 'SIGKILL') => unknown
}

interface WorkerEvents {
  readonly onMessage: (worker: WorkerProcess, message: WorkerListenerMessage) => void
  readonly onRoomMessage: (worker: WorkerProcess, message: RoomMessage) => void
  /** Called when the worker asks for the definitions of its listeners. */
  readonly onFollow: (worker: WorkerProcess) => void
  /** Called when the process has ended and all its messages have been handled. */
  readonly onGone: (worker: WorkerProcess, error: WorkerError) => void
  /** Returns the processor time that a process has used so far, in any unit; undefined where the system does not tell. */
  readonly cpuTime: (pid: number | undefined) => number | undefined
}

/** Process or thread of a worker, seen from the primary. */
export class WorkerProcess {
  /** Names of the listeners that are open in this worker. */
  readonly listeners = new Set<string>()
  /** Names of the listeners that a thread has asked for. */
  readonly joining = new Set<string>()
  /** Whether its listeners are those that are defined for it. */
  isFollower = false
  /** Open connections of this worker, including those on their way to it. */
  connections = 0
  /** True when the worker takes no more connections. */
  isLeaving = false
  /** Time of the first `ready`; undefined before it. */
  readyAt: number | undefined
  /** Whether the process was ended by SIGKILL, which it cannot have sent itself. */
  wasKilled = false
  /** Number of the worker, from 1 up; one that is started in its place has it again. */
  readonly number: number
  readonly #child: WorkerHandle
  readonly #name: string
  readonly #cpuTime: WorkerEvents['cpuTime']
  #unansweredPings = 0
  /** Characters of room messages that are on their way to it. */
  #roomSize = 0
  /** Processor time at the last ping. */
  #lastCpuTime: number | undefined
  /** Why we have killed it. */
  #verdict = ''

  constructor(
    number: number,
    child: WorkerHandle,
    { onMessage, onRoomMessage, onFollow, onGone, cpuTime }: WorkerEvents,
  ) {
    this.number = number
    this.#child = child
    this.#name = `worker ${number} (${child.thread === undefined ? `process ${child.pid}` : `thread ${child.thread}`})`
    this.#cpuTime = cpuTime
    child.on('message', (message: (Partial<WorkerMessage> & Partial<RoomMessage>) | undefined) => {
      if (message?.bywashRoom !== undefined) onRoomMessage(this, message as RoomMessage)
      if (message?.bywash === undefined) return
      // Whatever it says, a worker that is only busy has made progress. It may say so long before it answers.
      this.#unansweredPings = 0
      if (message.bywash === 'follow') onFollow(this)
      else if (message.bywash !== 'pong') onMessage(this, message as WorkerListenerMessage)
    })
    const onEnd = (end: string) => onGone(this, new WorkerError(`${this.#name} ${end}`))
    child.on('error', error => {
      if (child.pid === undefined) onEnd(`could not be started: ${error.message}`)
      else process.emitWarning(error)
    })
    child.on('exit', (code: number | null, signal: string | null, threadEnd?: string) => {
      this.wasKilled = signal === 'SIGKILL'
      const processEnd = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`
      const end = `${threadEnd ?? processEnd}${this.#verdict}`
      // Its last messages may still be in the channel.
      if (child.connected) child.once('disconnect', () => onEnd(end))
      else onEnd(end)
    })
  }

  /** Sends a message. A socket stays open in this process too, since nobody knows yet whether it arrives. */
  send(message: PrimaryMessage, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /** Sends it what was published in another worker; it is lost where too much waits for this one already. */
  sendRoomMessage(sent: RoomMessage): void {
    const { length } = sent.message
    if (!this.#child.connected || this.#roomSize + length > MAX_ROOM_SIZE) return
    this.#roomSize += length
    this.#child.send(sent, undefined, undefined, () => {
      this.#roomSize -= length
    })
  }

  /** Whether it has not answered for so long that connections had better go to others. */
  get isSilent(): boolean {
    return this.#unansweredPings >= MAX_UNANSWERED_PINGS
  }

  /** Sends a ping, or kills the worker if it has left too many unanswered. A worker that is not ready yet gets none. */
  ping(): void {
    if (this.readyAt === undefined) return
    const cpuTime = this.#cpuTime(this.#child.pid)
    const isBusy = cpuTime !== undefined && cpuTime !== this.#lastCpuTime
    this.#lastCpuTime = cpuTime
    if (this.#unansweredPings >= (isBusy ? MAX_BUSY_PINGS : MAX_UNANSWERED_PINGS)) {
      this.#verdict = `: it ${isBusy ? 'was busy' : 'did nothing'} for ${seconds(this.#unansweredPings)}`
      this.kill()
      return
    }
    if (this.#unansweredPings === MAX_UNANSWERED_PINGS) {
      const limit = seconds(MAX_BUSY_PINGS)
      process.emitWarning(
        `${this.#name} is busy for ${seconds(MAX_UNANSWERED_PINGS)}; after ${limit} it is killed`,
      )
    }
    this.#unansweredPings++
    this.send({ bywash: 'ping' })
  }

  /** Ends the worker: a worker of node:cluster exits when its channel to the primary is closed. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

function seconds(pings: number): string {
  return `${(pings * PING_INTERVAL_MS) / 1_000} s`
}
