import type { StageFactory } from '../../lib/definition.js'
import { asyncMap, type Controller, defineStage, generate, map, option, stage, tap } from '../../lib/index.js'
import type { KindOf } from '../../lib/kind.js'
import { localStages } from './local-stages.js'
import type { Factories, StageChoice } from './stage-list.js'

const LINES = { accepts: 'line', emits: 'line' } as const

/** The line that a stage with `rejects` fails on. */
const FATAL = 'hello'

/** How many times a stage waits for a turn, and for a timer; from then on only for microtasks, so that no case takes long. */
const MAX_TURNS = 50
const MAX_TIMERS = 5

/** More lines than an input has. */
const NEVER = 65_536

const waits = option.choice(['microtask', 'immediate', 'timer', 'mixed'], {
  help: 'what settles its promises',
  default: 'mixed',
})
const rejects = option.boolean({ help: `whether '${FATAL}' is rejected`, default: false })

type Settler = 'microtask' | 'immediate' | 'timer' | 'nothing'

/** The settlers of `mixed`, in turn. Their number is prime, so that neighbours with other numbers of calls go out of step. */
const MIXED: readonly Settler[] = [
  'microtask',
  'timer',
  'nothing',
  'immediate',
  'microtask',
  'nothing',
  'immediate',
]

/** Calls back later, each time by the next settler: the same ones in each run of a case. */
class Waits {
  readonly #kind: 'microtask' | 'immediate' | 'timer' | 'mixed'
  #count = 0
  #turns = 0
  #timers = 0

  constructor(kind: string) {
    this.#kind = kind as 'mixed'
  }

  /** Calls back later, or at once; false where it was at once. */
  later(callback: () => void): boolean {
    const kind = this.#kind === 'mixed' ? (MIXED[this.#count++ % MIXED.length] as Settler) : this.#kind
    if (kind === 'nothing') callback()
    else if (kind === 'timer' && this.#timers++ < MAX_TIMERS) setTimeout(callback, 1)
    else if (kind === 'immediate' && this.#turns++ < MAX_TURNS) setImmediate(callback)
    else queueMicrotask(callback)
    return kind !== 'nothing'
  }

  /** A promise that settles later; undefined where nothing is waited for. */
  promise(): Promise<void> | undefined {
    let settle = () => {}
    const promise = new Promise<void>(resolve => {
      settle = resolve
    })
    return this.later(() => settle()) ? promise : undefined
  }
}

function refuse(item: unknown, rejects: boolean): void {
  if (rejects && String(item) === FATAL) throw new Error(`'${FATAL}' is rejected`)
}

const mapsLater = defineStage({
  name: 'mapsLater',
  summary: 'an asyncMap()',
  ...LINES,
  variant: { option: 'kind' },
  options: {
    concurrency: option.integer({ help: 'its concurrency', minimum: 1, maximum: 64, default: 1 }),
    kind: option.choice(['line', 'frame', 'bytes', 'value'], {
      help: 'the kind of its items',
      default: 'line',
    }),
    waits,
    rejects,
  },
  make: ({ concurrency, kind, waits, rejects }) => {
    // One for all connections of the stage: a stage is made for each run.
    const waiting = new Waits(waits)
    const work = async (item: unknown) => {
      await waiting.promise()
      // A chunk of bytes may be any part of them.
      refuse(item, rejects && kind !== 'bytes')
      return item
    }
    const as = kind as KindOf<unknown>
    return asyncMap<unknown, unknown>('mapsLater', work, { concurrency, accepts: as, emits: as })
  },
})

const generates = defineStage({
  name: 'generates',
  summary: 'a generate() that gives a line several times',
  ...LINES,
  options: {
    times: option.integer({ help: 'how often', maximum: 3, default: 2 }),
    until: option.integer({
      help: 'the number of lines behind which it returns',
      maximum: NEVER,
      default: NEVER,
    }),
    tail: option.boolean({ help: 'whether it yields a line behind the last', default: false }),
    waits,
    rejects,
  },
  make: ({ times, until, tail, waits, rejects }) =>
    generate('generates', async function* (lines) {
      const waiting = new Waits(waits)
      await waiting.promise()
      let left = until
      if (left > 0) {
        for await (const line of lines) {
          await waiting.promise()
          refuse(line, rejects)
          for (let time = 0; time < times; time++) {
            yield line
            await waiting.promise()
          }
          if (--left === 0) break
        }
      }
      await waiting.promise()
      if (tail) yield 'tail'
      await waiting.promise()
    }),
})

const mapsSlowly = defineStage({
  name: 'mapsSlowly',
  summary: 'a map() whose function returns a promise, or not',
  ...LINES,
  options: { waits, rejects },
  make: ({ waits, rejects }) => {
    const waiting = new Waits(waits)
    return map('mapsSlowly', line => {
      const promise = waiting.promise()
      if (promise !== undefined) {
        return promise.then(() => {
          refuse(line, rejects)
          return `${line}+`
        })
      }
      refuse(line, rejects)
      return `${line}+`
    })
  },
})

const looksSlowly = defineStage({
  name: 'looksSlowly',
  summary: 'a tap() whose function returns a promise, or not',
  accepts: 'any',
  emits: 'same',
  options: { waits, rejects },
  make: ({ waits, rejects }) => {
    const waiting = new Waits(waits)
    return tap<unknown>('looksSlowly', item => {
      // A chunk of bytes may be any part of them.
      const mayRefuse = rejects && typeof item === 'string'
      const promise = waiting.promise()
      return promise === undefined ? refuse(item, mayRefuse) : promise.then(() => refuse(item, mayRefuse))
    })
  },
})

const STEPS = ['start', 'transform', 'readComplete', 'flush'] as const

const waitsAt = defineStage({
  name: 'waitsAt',
  summary: 'a stage() that waits in one of its functions, and enqueues before and behind that',
  ...LINES,
  options: {
    step: option.choice(STEPS, { help: 'the function', default: 'flush' }),
    waits,
    rejects,
  },
  make: ({ step: waitingStep, waits, rejects }) =>
    stage<string, string>({
      name: 'waitsAt',
      ...LINES,
      open: () => {
        const waiting = new Waits(waits)
        /** Does one thing now and another later, where the step is the one that waits. */
        const around = (step: (typeof STEPS)[number], now: () => void, later: () => void) => {
          now()
          const promise = step === waitingStep ? waiting.promise() : undefined
          return promise === undefined ? later() : promise.then(later)
        }
        let gathered: string[] = []
        const give = (controller: Controller<string>) => {
          const lines = gathered
          gathered = []
          for (const line of lines) {
            refuse(line, rejects)
            controller.enqueue(line)
          }
        }
        return {
          start: controller =>
            around(
              'start',
              () => controller.enqueue('first'),
              () => controller.enqueue('second'),
            ),
          transform: (line, controller) =>
            around(
              'transform',
              () => waitingStep === 'transform' && controller.enqueue(line),
              () => {
                if (waitingStep === 'readComplete') {
                  gathered.push(line)
                } else {
                  refuse(line, rejects)
                  controller.enqueue(line)
                }
              },
            ),
          readComplete: controller =>
            gathered.length === 0
              ? undefined
              : around(
                  'readComplete',
                  () => {},
                  () => give(controller),
                ),
          flush: controller =>
            around(
              'flush',
              () => controller.enqueue('last but one'),
              () => controller.enqueue('last'),
            ),
        }
      },
    }),
})

const pushes = defineStage({
  name: 'pushes',
  summary:
    'a stage() that enqueues each line from outside of its functions; `waited` holds the next one meanwhile',
  ...LINES,
  options: { waited: option.boolean({ help: 'whether transform waits', default: true }), waits, rejects },
  make: ({ waited, waits, rejects }) =>
    stage<string, string>({
      name: 'pushes',
      ...LINES,
      open: () => {
        const waiting = new Waits(waits)
        let last = Promise.resolve()
        return {
          transform: (line, controller) => {
            last = last.then(
              () =>
                new Promise(resolve => {
                  waiting.later(() => {
                    if (rejects && line === FATAL) controller.error(new Error(`'${FATAL}' is refused`))
                    else controller.enqueue(line)
                    resolve()
                  })
                }),
            )
            return waited ? last : undefined
          },
          flush: () => last,
        }
      },
    }),
})

/** Whether a stage ends the connection in good order before its input has ended, at a time of its own. */
export function returnsEarly([name, { until = NEVER }]: StageChoice): boolean {
  return name === 'generates' && until !== NEVER
}

/** Whether a stage takes items while it has not yet enqueued those before. */
export function pushesUnwaited([name, { waited = true }]: StageChoice): boolean {
  return name === 'pushes' && waited === false
}

/** Stages that wait, in each way that a stage may; the catalogue has few of those. */
const WAITING: Factories = new Map<string, StageFactory>(
  [mapsLater, generates, mapsSlowly, looksSlowly, waitsAt, pushes].map(factory => [
    factory.definition.name,
    factory as StageFactory,
  ]),
)

/**
 * All stages that are put into lists: those of the catalogue, and some that wait. In a room the connections that are compared
 * would hear each other.
 */
export const ALL_STAGES: Factories = new Map(
  [...localStages, ...WAITING].filter(([name]) => name !== 'broadcast'),
)
