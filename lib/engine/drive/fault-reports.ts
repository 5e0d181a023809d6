import { type Clock, type Timer, unref } from '../../clock.js'
import { type BywashError, type Fault, MoreFaultsError, madeFault, UntoldFaults } from '../../errors.js'

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
  /** Faults that are told in this second, or were claimed for it. */
  #claimed = 0
  #leftOut = 0
  /** Runs from the first fault of a second to its end. */
  #timer: Timer

  /** @param maxReports - The most faults that are told in a second; 0 is any number. */
  constructor(clock: Clock, maxReports: number, tell: (error: BywashError) => void) {
    this.#clock = clock
    this.#maxReports = maxReports
    this.#tell = tell
  }

  /** Whether a fault that was reported just now will be told, wherever it still has to go. Each true is for one of them. */
  claim(): boolean {
    if (this.#maxReports === 0) return true
    if (this.#claimed === this.#maxReports) return false
    this.#claimed++
    this.#timer ??= this.#startWindow()
    return true
  }

  /** Tells a fault for which there was a claim, or counts those for which there was none. */
  report(fault: Fault | UntoldFaults): void {
    if (!(fault instanceof UntoldFaults)) {
      this.#tell(madeFault(fault))
    } else {
      this.#leftOut += fault.count
      this.#timer ??= this.#startWindow()
    }
  }

  /** Ends the second: tells how many faults were left out in it. Called once more at the end of the connection. */
  readonly end = (): void => {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const leftOut = this.#leftOut
    this.#claimed = 0
    this.#leftOut = 0
    if (leftOut > 0) this.#tell(new MoreFaultsError(leftOut, this.#maxReports))
  }

  #startWindow(): Timer {
    const timer = this.#clock.setTimeout(this.end, WINDOW_MS)
    unref(timer)
    return timer
  }
}
