import { type Clock, type Timer, unref } from '../../clock.js'
import { type BywashError, type Fault, MoreFaultsError, madeFault } from '../../errors.js'

/** The time in which only so many faults of a connection are told. */
const WINDOW_MS = 1_000

/**
 * Tells the faults that the stages of a connection report: the first ones of each second, and then how many more there
 * were. A client can send a million bad frames in a second, and each would be a line of the log.
 */
export class FaultReports {
  readonly #clock: Clock
  readonly #maxReports: number
  readonly #tell: (error: BywashError) => void
  /** Faults of this second that were told, and that were left out. */
  #told = 0
  #leftOut = 0
  /** Runs from the first fault of a second to its end. */
  #timer: Timer

  /** @param maxReports - The most faults that are told in a second; 0 is any number. */
  constructor(clock: Clock, maxReports: number, tell: (error: BywashError) => void) {
    this.#clock = clock
    this.#maxReports = maxReports
    this.#tell = tell
  }

  report(fault: Fault): void {
    if (this.#maxReports === 0) {
      this.#tell(madeFault(fault))
    } else if (this.#told === this.#maxReports) {
      this.#leftOut++
    } else {
      this.#told++
      this.#timer ??= this.#startWindow()
      this.#tell(madeFault(fault))
    }
  }

  /** Ends the second: tells how many faults were left out in it. Called once more at the end of the connection. */
  readonly end = (): void => {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const leftOut = this.#leftOut
    this.#told = 0
    this.#leftOut = 0
    if (leftOut > 0) this.#tell(new MoreFaultsError(leftOut, this.#maxReports))
  }

  #startWindow(): Timer {
    const timer = this.#clock.setTimeout(this.end, WINDOW_MS)
    unref(timer)
    return timer
  }
}
