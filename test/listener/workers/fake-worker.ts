import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import type { Order, Report } from '../../../lib/listener/workers/messages.js'

/** Stands in for a worker's process. It does nothing by itself. */
export class FakeWorker extends EventEmitter {
  readonly pid: number | undefined
  connected = true
  /** What it was told, and what was done to it. */
  readonly heard: Order[] = []
  readonly done: string[] = []

  constructor(pid: number | undefined) {
    super()
    this.pid = pid
  }

  get process(): ChildProcess {
    return this as unknown as ChildProcess
  }

  send(order: Order, _socket: unknown, _options: unknown, sent: () => void): void {
    this.heard.push(order)
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

  report(report: Report): void {
    this.emit('message', report)
  }

  /** Ends as a process does: its last reports have come when the channel closes. */
  die(code: number | null, signal: string | null = null): void {
    this.emit('exit', code, signal)
    if (this.connected) this.disconnect()
  }
}
