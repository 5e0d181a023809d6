import { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { type Connection, countWith, endConnection } from '../connection.js'
import type { Flow } from '../engine/flow/flow.js'
import { flowOf, load } from '../engine/flow/open-flow.js'
import { needsUpgrades } from '../engine/flow/upgrade.js'
import { makePlan, place } from '../engine/plan.js'
import type { PlanMode } from '../engine/planned-stage.js'
import { type BywashError, madeFault, type Reported, reasonOf } from '../errors.js'
import type { Kind } from '../kind.js'
import type { Reason } from '../outcome.js'
import { type AnyStage, type Controller, type Stage, stage } from '../stage.js'

const ignore = () => {}

/** Callbacks of a trial. */
export interface TrialHooks {
  /** Called with each fault that a stage reports. */
  readonly report?: (error: BywashError) => void
  /** Called with each item that comes out. */
  readonly given?: (item: unknown) => void
  /** Called with the list that a stage becomes. */
  readonly becomes?: ((next: Stage<Buffer, Buffer>) => void) | undefined
  /** Returns false while the reader takes nothing. When it takes more again, call `resume()`. @default always true */
  readonly reading?: () => boolean
  /** False drops what comes out and what is reported, for a long run. @default true */
  readonly keeps?: boolean
  /** Called to wait for the stages; resolves when `until` does, or throws to give up. @default waits without end */
  readonly wait?: (until: Promise<void>) => Promise<void>
}

/** Stages at work for one connection, of which a test is the source and the sink. It stands for a connection driver. */
export class Trial {
  readonly output: unknown[] = []
  /** The codes of the faults that were reported. */
  readonly reports: string[] = []
  /** The error that failed the connection. */
  error: BywashError | undefined
  /** An error that came when the connection was already over. */
  late: BywashError | undefined
  /** Whether the last stage has ended, or one has failed. */
  over = false
  /** The reason for the end; set when `over` is. */
  reason: Reason = 'end'
  /** The streams of stages that are streams. */
  readonly #streams: readonly Duplex[]
  readonly #flow: Flow
  readonly #connection: Connection
  readonly #wait: (until: Promise<void>) => Promise<void>
  #wake = () => {}

  /** Makes a plan of the stages, loads the modules that it needs, and opens the stages. */
  static async open(
    stages: readonly AnyStage[],
    kind: Kind,
    mode: PlanMode,
    connection: Connection,
    hooks?: TrialHooks,
  ): Promise<Trial> {
    const streams: Duplex[] = []
    const watched = stages.map(each => noteStreams(each, streams))
    const plan = makePlan(kind, place(kind, watched), mode)
    await load(plan)
    return new Trial(sink => flowOf(plan, sink), connection, streams, plan.upgrades, hooks)
  }

  private constructor(
    flow: (sink: Parameters<typeof flowOf>[1]) => Flow,
    connection: Connection,
    streams: readonly Duplex[],
    upgrades: boolean,
    hooks: TrialHooks = {},
  ) {
    const {
      report = () => {},
      given = () => {},
      becomes = ignore,
      reading = () => true,
      keeps = true,
      wait = until => until,
    } = hooks
    this.#connection = connection
    this.#streams = streams
    this.#wait = wait
    this.#flow = flow({
      write: item => {
        if (keeps) this.output.push(item)
        given(item)
      },
      endTurn: reading,
      isFlushed: false,
      get desiredSize() {
        return Number(reading())
      },
      hasRoom: () => true,
      overflow: ignore,
      drained: () => this.#wake(),
      inputClosed: ignore,
      outputEnded: ignore,
      becomes,
      reply: ({ bytes }) => {
        if (keeps) this.output.push(bytes)
        given(bytes)
      },
      claimReport: () => true,
      report: reported => {
        // Every claim is granted, so none is only counted.
        const error = madeFault(reported as Reported)
        if (keeps) this.reports.push(error.code)
        report(error)
      },
      finish: terminated => this.#finish(terminated ? 'terminated' : 'end'),
      fail: error => this.#fail(error),
    })
    countWith(connection, {
      counts: () => this.#flow.counts(),
      // A test of stages has no handshake.
      startTls: async () => {
        if (!upgrades) throw needsUpgrades()
      },
      failLater: error => {
        this.#flow.abort()
        this.#fail(error)
      },
    })
    this.#flow.open(connection, new AsyncResource('bywash.trial'))
  }

  #fail(error: BywashError): void {
    if (this.over) {
      this.late ??= error
    } else {
      this.error = error
      this.#finish(reasonOf(error))
    }
  }

  #finish(reason: Reason): void {
    this.over = true
    this.reason = reason
    this.#wake()
  }

  /** Gives one item to the first stage. Returns false when the next one has to wait for `changed()`. */
  write(item: unknown): boolean {
    return this.over || this.#flow.write(item) || this.over
  }

  /** Whether the stream of a stage has input that it has not answered, and room for the answer: it works elsewhere, or waits. */
  get isBusy(): boolean {
    return this.#streams.some(
      ({ destroyed, writableLength, readableLength, readableHighWaterMark }) =>
        !destroyed && writableLength > 0 && readableLength < readableHighWaterMark,
    )
  }

  /** Resolves when the stages take more, or are over. */
  changed(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  /** Gives items as fast as they are taken; stops when the connection is over. */
  async feed(items: Iterable<unknown>): Promise<void> {
    for (const item of items) {
      if (this.over) return
      if (!this.write(item)) await this.ready()
    }
  }

  /** Resolves, behind a `write` that returned false, when the stages take more, or are over. */
  ready(): Promise<void> {
    return this.#wait(this.changed())
  }

  /** Ends the source, and resolves when everything has come out. */
  async end(): Promise<void> {
    this.#flow.end()
    while (!this.over) await this.#wait(this.changed())
  }

  /** Tells the stages that the reader takes more again. */
  resume(): void {
    this.#flow.resume()
  }

  /** Closes the stages, at any time, and returns the error of one whose `close` threw. */
  close(): BywashError | undefined {
    const reason = this.over ? this.reason : 'client-reset'
    this.over = true
    endConnection(this.#connection)
    return this.#flow.close({ reason, error: this.error, bytesRead: 0, bytesWritten: 0, duration: 0 })
  }
}

/** The stage, or a copy of it that adds the streams that it opens to a list. */
function noteStreams(noted: AnyStage, streams: Duplex[]): AnyStage {
  const { stream } = noted
  if (stream === undefined) return noted
  return {
    ...noted,
    stream: (...parameters) => {
      const opened = stream(...parameters)
      streams.push(opened)
      return opened
    },
  }
}

/** A stage that takes lists and enqueues the items of each at once, as a decoder does with the items of a chunk. */
export function unbatch(kind: Kind): AnyStage {
  return stage<readonly unknown[], unknown>({
    name: 'unbatch',
    accepts: 'value' as never,
    emits: kind as never,
    open: () => ({
      transform: (batch: readonly unknown[], controller: Controller<unknown>) => {
        for (const item of batch) controller.enqueue(item)
      },
    }),
  })
}

/** Items in batches of a size. */
export function batchesOf(items: readonly unknown[], size: number): unknown[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}
