import type { Clock, Timer } from '../../clock.js'
import { type Terminal, widthOf } from '../terminal/terminal.js'

const INTERVAL_MS = 200

/** Progress line on a terminal: share, bytes, rate and time left. It is rewritten every INTERVAL_MS. */
export class Progress {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #total: number
  readonly #done: () => number
  readonly #startedAt: number
  #timer: Timer

  /**
   * @param total - Size of the input in bytes.
   * @param done - Returns the number of bytes that have been read.
   */
  constructor(terminal: Terminal, clock: Clock, total: number, done: () => number) {
    this.#terminal = terminal
    this.#clock = clock
    this.#total = total
    this.#done = done
    this.#startedAt = clock.now()
    this.#wait()
  }

  /** Replaces the line with a summary, and ends it. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer)
    const bytes = this.#done()
    const seconds = this.#seconds()
    this.#show(`${size(bytes)} of ${size(this.#total)} in ${time(seconds)}, ${rate(bytes, seconds)}`)
    this.#terminal.write('\n')
  }

  #wait(): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#tick()
      this.#wait()
    }, INTERVAL_MS)
  }

  #tick(): void {
    const bytes = this.#done()
    const seconds = this.#seconds()
    // A file may grow while it is read.
    const total = Math.max(this.#total, bytes)
    const share = Math.floor((100 * bytes) / Math.max(total, 1))
    const left = bytes === 0 ? '' : `, ${time(((total - bytes) * seconds) / bytes)} left`
    this.#show(`${share}% ${size(bytes)} of ${size(total)}, ${rate(bytes, seconds)}${left}`)
  }

  #seconds(): number {
    return Math.max(this.#clock.now() - this.#startedAt, 1) / 1_000
  }

  /** Leaves the last column free: a terminal may wrap to a new line when that is filled. */
  #show(line: string): void {
    this.#terminal.write(`\r${line.slice(0, widthOf(this.#terminal) - 1)}\u001b[K`)
  }
}

function size(bytes: number): string {
  const exponent = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 4)
  const number = bytes / 1_024 ** exponent
  return `${exponent === 0 ? number : number.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][exponent]}`
}

function rate(bytes: number, seconds: number): string {
  return `${size(Math.round(bytes / seconds))}/s`
}

function time(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  return whole < 3_600
    ? `${Math.floor(whole / 60)}m ${whole % 60}s`
    : `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`
}
