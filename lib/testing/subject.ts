import { isDeepStrictEqual } from 'node:util'
import { Connection, type Endpoints } from '../connection.js'
import type { PlanMode } from '../engine/planned-stage.js'
import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'
import { type FakeClock, fakeClock } from './fake-clock.js'
import { batchesOf, Trial, type TrialHooks, unbatch } from './trial.js'
import { turn } from './turns.js'

/** How a stage is checked; the options of `checkStage()` with their defaults. */
export interface CheckSettings {
  readonly seed: number
  readonly random: number
  readonly held: number
  readonly timeout: number
  readonly endpoints: Endpoints
}

/** What came out of a run: bytes as one Buffer, since their boundaries mean nothing. */
export interface Result {
  readonly output: unknown
  readonly error: string | undefined
  /** The codes of what was reported, and gone on behind. */
  readonly reports: readonly string[]
  /** What the error says; not compared. */
  readonly message?: string | undefined
}

/** An example that was checked. */
export interface Sample {
  readonly items: readonly unknown[]
  readonly expected: Result
}

/** A run that is not over within `timeout`. */
export class EndlessRun extends Error {}

export function isSameResult(one: Result, other: Result): boolean {
  const compared = ({ output, error, reports }: Result) => [output, error, reports]
  return isDeepStrictEqual(compared(one), compared(other))
}

/** Turns of the event loop without a sign of life after which time moves on. */
const IDLE_TURNS = 20

/** A stage on one plan with one of its examples: what a law is checked of. */
export class Subject {
  constructor(
    readonly stages: readonly AnyStage[],
    readonly name: string,
    readonly accepts: Kind,
    readonly emits: Kind,
    readonly plan: PlanMode,
    readonly sample: Sample,
    readonly settings: CheckSettings,
  ) {}

  /** Opens the stages for a connection of their own, with a clock that moves on when nothing else does. */
  async open(
    hooks: TrialHooks = {},
    { stages = this.stages, kind = this.accepts } = {},
  ): Promise<{ trial: Trial; clock: FakeClock; connection: Connection }> {
    const clock = fakeClock()
    const connection = new Connection(1, this.settings.endpoints, clock)
    const wait = (until: Promise<void>) => this.#wait(until, clock)
    return {
      trial: await Trial.open(stages, kind, this.plan, connection, { wait, ...hooks }),
      clock,
      connection,
    }
  }

  /** Runs from the first item to the close. */
  async run(items: readonly unknown[], batch = 1): Promise<Result> {
    const { trial } =
      batch === 1
        ? await this.open()
        : await this.open({}, { stages: [unbatch(this.accepts), ...this.stages], kind: 'value' })
    await trial.feed(batch === 1 ? items : batchesOf(items, batch))
    await trial.end()
    trial.close()
    return this.resultOf(trial)
  }

  /** What has come out. */
  resultOf({ output, error, reports }: Trial): Result {
    return {
      output: this.emits === 'bytes' ? Buffer.concat(output as Buffer[]) : [...output],
      error: error?.code,
      reports: [...reports],
      message: error?.message,
    }
  }

  async #wait(until: Promise<void>, clock: FakeClock): Promise<void> {
    let waiting = true
    const done = until.then(() => {
      waiting = false
    })
    await Promise.race([done, turn()])
    const deadline = performance.now() + this.settings.timeout
    for (let turns = 0; waiting; turns++) {
      if (turns > IDLE_TURNS && clock.pending > 0) clock.advance(1000)
      if (performance.now() > deadline) throw new EndlessRun()
      await turn()
    }
  }
}
