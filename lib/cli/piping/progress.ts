import type { Clock, Timer } from '../../clock.js'
import { type Terminal, widthOf } from '../terminal/terminal.js'

const INTERVAL_MS = 200

/** A line on a terminal that says how far something is: bytes, rate, time left. */
export class Progress {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #total: number
  readonly #done: () => number
  readonly #startedAt: number
  #timer: Timer

  /**
   * @param total - How many bytes there are.
   * @param done - Says how many of them have passed.
   */
  constructor(terminal: Terminal, clock: Clock, total: number, done: () => number) {
    this.#terminal = terminal
    this.#clock = clock
    this.#total = total
    this.#done = done
    this.#startedAt = clock.now()
    this.#wait()
  }

  /** Says how it went, and leaves the line. */
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

  /** The last column stays free: a terminal that is full to it may begin a line. */
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
