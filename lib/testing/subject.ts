import { isDeepStrictEqual } from 'node:util'
import { Connection, type Endpoints } from '../connection.js'
import type { PlanMode } from '../engine/planned-stage.js'
import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'
import { nextConnectionId } from './connection-ids.js'
import { type FakeClock, fakeClock } from './fake-clock.js'
import { batchesOf, Trial, type TrialHooks, unbatch } from './trial.js'
import { now, turn } from './turns.js'
import type { Memory } from './watch/memory.js'
import type { Resources } from './watch/resources.js'

/** The options of `checkStage()` that the laws use, with defaults filled in. */
export interface CheckSettings {
  readonly seed: number
  readonly random: number
  readonly held: number
  readonly timeout: number
  readonly endpoints: Endpoints
  readonly memory: Memory
  readonly resources: Resources
}

/** The result of a run. */
export interface Result {
  /** The items that came out; bytes as one Buffer, since the boundaries of chunks mean nothing. */
  readonly output: unknown
  /** The code of the error that failed the connection. */
  readonly error: string | undefined
  /** The codes of the faults that were reported. */
  readonly reports: readonly string[]
  /** The message of the error. It is shown, and not compared. */
  readonly message?: string | undefined
  /** The error that the stage threw, with its stack. It is not compared. */
  readonly cause?: unknown
}

/** An example of the caller, after the check of its form. */
export interface Sample {
  /** Whether it is the first example, with which the laws try what is the same for every example. */
  readonly isFirst: boolean
  readonly items: readonly unknown[]
  readonly expected: Result
}

/** Thrown when a stage has not gone on within `timeout`. */
export class EndlessRun extends Error {}

export function isSameResult(one: Result, other: Result): boolean {
  const compared = ({ output, error, reports }: Result) => [output, error, reports]
  return isDeepStrictEqual(compared(one), compared(other))
}

/** Turns of the event loop to wait for a stage before the fake clock moves forward. */
const IDLE_TURNS = 20
/** Turns that a stage has at least, however long they took: on a busy machine `timeout` may pass in a few. */
const MIN_TURNS = 1000

/** Parts of an open connection that a law sets. */
interface Setting {
  readonly stages?: readonly AnyStage[]
  readonly kind?: Kind
  readonly id?: number
  readonly endpoints?: Endpoints
}

/** An open connection to the stages, with a fake clock that moves forward while the trial waits. */
export interface Opened {
  readonly trial: Trial
  readonly clock: FakeClock
  readonly connection: Connection
}

/** A stage on one plan with one of its examples. Each law is checked for each subject. */
export class Subject {
  /** The operations of the process that were under way before. */
  readonly #pending: number

  constructor(
    readonly stages: readonly AnyStage[],
    readonly name: string,
    readonly accepts: Kind,
    readonly emits: Kind,
    readonly plan: PlanMode,
    readonly sample: Sample,
    readonly settings: CheckSettings,
  ) {
    this.#pending = settings.resources.pending()
  }

  /**
   * The id of every connection, for a stage that tells its id: its example is that of the first connection. Others have a
   * new id for each connection.
   */
  id: number | undefined

  /** Turns of the event loop that connections have waited for the stages. */
  #waitedTurns = 0

  /** Whether the stages answer in the call that gives them an item. */
  get isSynchronous(): boolean {
    return this.plan === 'fused' && this.stages.every(({ open }) => open !== undefined)
  }

  /** Returns a function that tells whether connections have waited for so many turns of the event loop since. */
  slowAfter(turns: number): () => boolean {
    const last = this.#waitedTurns + turns
    return () => this.#waitedTurns > last
  }

  /** Opens the stages for a new connection. */
  async open(hooks: TrialHooks = {}, setting: Setting = {}): Promise<Opened> {
    const { stages = this.stages, kind = this.accepts, endpoints = this.settings.endpoints } = setting
    const { id = this.id ?? nextConnectionId(this.settings) } = setting
    const clock = fakeClock()
    const connection = new Connection(id, endpoints, clock)
    const wait = (until: Promise<void>) => this.#wait(until, clock)
    return {
      trial: await Trial.open(stages, kind, this.plan, connection, { wait, ...hooks }),
      clock,
      connection,
    }
  }

  /** Runs the stages for one connection, from the first item to the close. */
  async run(items: readonly unknown[], batch = 1, setting: Setting = {}): Promise<Result> {
    // A list that may become another one gets its input frame by frame.
    const isSingle = batch === 1 || this.stages.some(({ upgrades }) => upgrades)
    const { trial } = isSingle
      ? await this.open({}, setting)
      : await this.open({}, { stages: [unbatch(this.accepts), ...this.stages], kind: 'value', ...setting })
    await trial.feed(isSingle ? items : batchesOf(items, batch))
    await trial.end()
    trial.close()
    return this.resultOf(trial)
  }

  /** The result of a trial so far. */
  resultOf({ output, error, reports }: Trial): Result {
    return {
      output: this.emits === 'bytes' ? Buffer.concat(output as Buffer[]) : [...output],
      error: error?.code,
      reports: [...reports],
      message: error?.message,
      cause: error?.cause instanceof Error ? error.cause : error,
    }
  }

  async #wait(until: Promise<void>, clock: FakeClock): Promise<void> {
    let waiting = true
    const done = until.then(() => {
      waiting = false
    })
    this.#waitedTurns++
    await Promise.race([done, turn()])
    const deadline = now() + this.settings.timeout
    for (let turns = 0, idle = 0; waiting; turns++, idle++) {
      this.#waitedTurns++
      if (idle > IDLE_TURNS && clock.pending > 0) {
        // While a file is read, or a name is looked up, time stands still: it would use up what such work may take.
        if (this.settings.resources.pending() > this.#pending) idle = 0
        else clock.advance(1000)
      }
      if (turns > MIN_TURNS && now() > deadline) throw new EndlessRun()
      await turn()
    }
  }
}
