import type { StageAccount } from './stage-account.js'

/** One turn in so many is timed. */
const SAMPLED_TURNS = 64
/** The distances from one timed turn to the next, which go round: an even one would meet only every other turn of a call. */
const DISTANCES = [61, 67, 63, 65]

/** The look that somebody takes at the connections of a book: what its probes share. */
export class Look {
  /** One turn in so many is timed, and counts for all of them. */
  readonly stride: number
  /** Turns until the next one that is timed, over all connections. */
  #turnsLeft: number
  #round = 0
  /** Connection time in which the clients did not read, and in which nothing came, in milliseconds. */
  unread = 0
  idle = 0
  /** Time that stages ran, and did not wait. */
  running = 0

  constructor(isAlways: boolean) {
    this.stride = isAlways ? 1 : SAMPLED_TURNS
    this.#turnsLeft = this.stride
  }

  /** Counts a turn; true where the next one of its connection is to be timed. */
  takesNext(): boolean {
    if (--this.#turnsLeft > 0) return false
    this.#turnsLeft = this.stride === 1 ? 1 : (DISTANCES[this.#round++ % DISTANCES.length] as number)
    return true
  }
}

/** The part of one list of stages in a look: an account for each of its stages. */
export interface LookAt {
  readonly look: Look
  readonly accounts: readonly StageAccount[]
}

/** The thing that a connection waits for now, and since when on its clock. */
export interface Wait {
  /** The index of a stage, the client, or more input. */
  readonly for: number | 'client' | 'input'
  readonly since: number
}
