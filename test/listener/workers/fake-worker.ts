import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import type { PrimaryMessage, WorkerMessage } from '../../../lib/listener/workers/messages.js'

/** Stands in for a worker's process. It does nothing by itself. */
export class FakeWorker extends EventEmitter {
  readonly pid: number | undefined
  connected = true
  /** What it was told, and what was done to it. */
  readonly heard: PrimaryMessage[] = []
  readonly done: string[] = []

  constructor(pid: number | undefined) {
    super()
    this.pid = pid
  }

  get process(): ChildProcess {
    return this as unknown as ChildProcess
  }

  send(message: PrimaryMessage, _socket: unknown, _options: unknown, sent: () => void): void {
    this.heard.push(message)
    sent()
  }

  disconnect(): void {
    this.connected = false
    this.done.push('disconnect')
    this.emit('disconnect')
  }

  kill(signal: string): void {
    this.done.push(signal)
  }

  report(message: WorkerMessage): void {
    this.emit('message', message)
  }

  /** Ends as a process does: its last reports have come when the channel closes. */
  die(code: number | null, signal: string | null = null): void {
    this.emit('exit', code, signal)
    if (this.connected) this.disconnect()
  }
}
