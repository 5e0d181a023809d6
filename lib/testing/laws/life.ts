import { getEventListeners } from 'node:events'
import type { BywashError } from '../../errors.js'
import type { Reason } from '../../outcome.js'
import { type AnyStage, type Controller, stage, type Transformer } from '../../stage.js'
import { copyOf } from '../copy.js'
import type { Subject } from '../subject.js'
import { now, quiet, turn, until } from '../turns.js'
import type { Law } from './law.js'

/** A record of the calls of one transformer, or of one stream, whose 'close' events count as calls of `close`. */
interface Life {
  readonly stage: string
  /** Whether the transformer has a `flush`, which has then to be called. */
  readonly canFlush: () => boolean
  start: number
  flush: number
  close: number
  /** The name of the function that was called last. */
  last: string
}

/** The state of a connection that is over. */
export interface Ended {
  readonly lives: readonly Life[]
  readonly reason: Reason
  /** The error of a `close` that threw. */
  readonly failure: BywashError | undefined
  /** An error that came after the end. */
  readonly late: BywashError | undefined
  /** Timers of the connection's clock that were left after the close. */
  readonly timers: number
  /** Listeners on the connection's signal before the close, and after it. */
  readonly listening: number
  readonly listeners: number
}

/** A stage that calls `end` with its first item. It stands behind the checked stage, to end the connection from there. */
function endingStage(end: (controller: Controller<unknown>) => void): AnyStage {
  return stage<unknown, unknown>({
    name: 'behind',
    accepts: 'any',
    emits: 'same' as never,
    open: () => ({ transform: (_item, controller) => end(controller) }),
  })
}

/** Repetitions of the example's input that make an input so long that listeners, if each item adds one, add up. */
export const MANY_INPUTS = 20
export const MUCH_INPUT = 'much input'

/** A way to end a connection. */
export interface EndingCase {
  /** A stage behind the checked one that ends the connection. @default the connection ends with its input */
  readonly behind?: AnyStage
  /** The part of the input, from 0 to 1, after which the client resets. @default the client does not reset */
  readonly fed?: number
  /** The number of times that the input comes. @default 1 */
  readonly repeated?: number
}

/** The ways in which connections end, by their names in messages. */
export const ENDINGS: Readonly<Record<string, EndingCase>> = {
  'the end of the input': {},
  [MUCH_INPUT]: { repeated: MANY_INPUTS },
  'a reset before the first item': { fed: 0 },
  'a reset in the middle': { fed: 0.5 },
  'a reset behind the last item': { fed: 1 },
  'an early end by the stage behind it': {
    behind: endingStage(controller => controller.terminate()),
  },
  'a failure of the stage behind it': {
    behind: endingStage(() => {
      throw new Error('a failure of the stage behind it')
    }),
  },
}

/** A copy of a stage that records, in `lives`, the calls of each transformer or stream that it opens. */
function watch(watched: AnyStage, lives: Life[]): AnyStage {
  const born = (canFlush: () => boolean) => {
    const { name: stage } = watched
    const life: Life = { stage, canFlush, start: 0, flush: 0, close: 0, last: 'open' }
    lives.push(life)
    return life
  }
  // Without `blocks`, since the planner would else replace the stage, and never call its transformer.
  const { open, stream, blocks: _, ...rest } = watched
  return {
    ...rest,
    ...(open && {
      open: connection => {
        const transformer = open(connection)
        return watchTransformer(
          transformer,
          born(() => typeof transformer.flush === 'function'),
        )
      },
    }),
    ...(stream && {
      stream: (...parameters) => {
        const opened = stream(...parameters)
        const life = born(() => false)
        opened.on('close', () => note(life, 'close'))
        return opened
      },
    }),
  }
}

function note(life: Life, step: string): void {
  life.last = step
  if (step === 'start' || step === 'flush' || step === 'close') life[step]++
}

/** Records the calls in a proxy, and not in the transformer, so that its calls of its own methods are not recorded. */
function watchTransformer(transformer: Transformer<never, unknown>, life: Life): Transformer<never, unknown> {
  return new Proxy(
    {},
    {
      get(_, step: Exclude<keyof Transformer<never, unknown>, symbol>) {
        const method = transformer[step] as ((...parameters: unknown[]) => unknown) | undefined
        if (method === undefined && step !== 'close') return undefined
        return (...parameters: unknown[]) => {
          note(life, step)
          return method?.apply(transformer, parameters)
        }
      },
    },
  )
}

/**
 * Runs a connection to its end. Returns a function that waits until all is closed, or until a deadline, and gives the final
 * state.
 */
export async function runToEnd(
  subject: Subject,
  ending: EndingCase,
): Promise<(deadline: number) => Promise<Ended>> {
  const { behind, fed, repeated = 1 } = ending
  const lives: Life[] = []
  const stages = subject.stages.map(each => watch(each, lives))
  const { trial, clock, connection } = await subject.open(
    {},
    { stages: behind === undefined ? stages : [...stages, behind], kind: subject.accepts },
  )
  const items = Array.from({ length: repeated }, () => halvedItems(subject)).flat()
  await trial.feed(items.slice(0, fed === undefined ? items.length : Math.ceil(fed * items.length)))
  if (fed === undefined) await trial.end()
  else await turn()
  const reason = trial.over ? trial.reason : 'client-reset'
  const listening = getEventListeners(connection.signal, 'abort').length
  const failure = trial.close()
  const timers = clock.pending
  return async deadline => {
    // A stream may take a while to close.
    await until(() => lives.every(({ close }) => close > 0), deadline)
    await quiet(() => 0)
    clock.advance(60_000)
    const listeners = getEventListeners(connection.signal, 'abort').length
    return { lives, reason, failure, late: trial.late, timers, listening, listeners }
  }
}

/** The connections of each subject, by their endings: three laws look at the same ones. */
const seen = new WeakMap<Subject, Map<string, Ended>>()

async function endsOf(subject: Subject): Promise<Map<string, Ended>> {
  const ends = seen.get(subject) ?? new Map<string, Ended>()
  if (!seen.has(subject)) {
    const settled = new Map<string, (deadline: number) => Promise<Ended>>()
    for (const [name, ending] of Object.entries(ENDINGS)) settled.set(name, await runToEnd(subject, ending))
    // One deadline for all of them: they have ended together.
    const deadline = now() + subject.settings.timeout
    for (const [name, whenSettled] of settled) ends.set(name, await whenSettled(deadline))
    seen.set(subject, ends)
  }
  return ends
}

/** Copies of the input's items; bytes in two halves, so that a connection can be reset in the middle. */
function halvedItems({ accepts, sample }: Subject): unknown[] {
  const [input] = sample.items
  if (accepts !== 'bytes') return sample.items.map(copyOf)
  const middle = Math.ceil((input as Buffer).length / 2)
  return [(input as Buffer).subarray(0, middle), (input as Buffer).subarray(middle)].map(copyOf)
}

/** Makes the check of a law: none of the connections that are over may have the fault. */
export function ofEveryEnd(
  fault: (ended: Ended, ending: string) => Error | string | undefined,
): Law['check'] {
  return async subject => {
    for (const [ending, ended] of await endsOf(subject)) {
      const found = fault(ended, ending)
      if (found === undefined) continue
      const detail = `After ${ending}: ${found instanceof Error ? found.message : found}`
      const cause = found instanceof Error ? rootOf(found) : undefined
      return { detail, cause, input: subject.sample.items }
    }
    return undefined
  }
}

/** The error that the stage threw, with its stack, if it threw. */
function rootOf(error: Error): Error {
  return error.cause instanceof Error ? error.cause : error
}

function disorder({ lives, failure, reason }: Ended): Error | string | undefined {
  if (failure !== undefined) return failure
  for (const { stage, canFlush, start, flush, close, last } of lives) {
    const flushes = reason === 'end' ? Number(canFlush()) : Math.min(flush, 1)
    if (close === 1 && last === 'close' && start <= 1 && flush === flushes) continue
    return (
      `what stage '${stage}' opened was started ${start}, flushed ${flush} and closed ${close} times, ` +
      `and '${last}' came last.`
    )
  }
  return undefined
}

/** The laws about the begin and the end of a connection. */
export const LIFE_LAWS: readonly Law[] = [
  { name: 'life', says: 'it is closed once and last, also after a failure', check: ofEveryEnd(disorder) },
  { name: 'late', says: 'nothing is enqueued after the end', check: ofEveryEnd(({ late }) => late) },
]
