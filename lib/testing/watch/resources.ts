import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { readdirSync, readlinkSync } from 'node:fs'

/** Names that `process.getActiveResourcesInfo()` gives to operations under way, and not to handles that stay open. */
const REQUEST = /Req|ConnectWrap|WriteWrap|ShutdownWrap/

/** The resources of the process, as the laws look at them. */
export interface Resources {
  /** The number of operations, such as reads of files, that the system has not answered yet. */
  readonly pending: () => number
  /** The numbers of resources that keep the process alive, by type, and of listeners on the process itself. */
  readonly active: () => ReadonlyMap<string, number>
  /** The open descriptors, each with the file that it stands for where the system tells (Linux does). */
  readonly descriptors: () => ReadonlyMap<string, string | undefined>
}

function pendingRequests(): number {
  return process.getActiveResourcesInfo().filter(name => REQUEST.test(name)).length
}

function activeResources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1)
  for (const event of process.eventNames()) {
    counts.set(`listener on '${String(event)}' of the process`, process.listenerCount(event))
  }
  return counts
}

/**
 * The open descriptors of the process; none where there is no list.
 *
 * @param folder - The folder that lists them, on Linux and macOS.
 */
export function openDescriptors(folder = '/dev/fd'): ReadonlyMap<string, string | undefined> {
  try {
    return new Map(readdirSync(folder).map(name => [name, targetOf(`${folder}/${name}`)]))
  } catch {
    return new Map()
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

/** The resources of this process. */
export const PROCESS_RESOURCES: Resources = {
  pending: pendingRequests,
  active: activeResources,
  descriptors: () => openDescriptors(),
}

/** Resources that need not keep the process alive, and are then not active. */
const HIDDEN_TYPES: readonly string[] = ['Timeout', 'FSEVENTWRAP', 'STATWATCHER', 'PROCESSWRAP']
/** A line of a stack that stands between a timer and the function that set it. */
const TIMERS_LINE =
  /\((node:internal\/async_hooks|node:(internal\/)?timers)\b|at node:timers|new Promise \(<anonymous>\)/
/** A line of a stack that stands for another place in Node. */
const NODE_LINE = /\bnode:/

/** A resource that is left. */
export interface Left {
  readonly type: string
  /** An error whose stack is the place where it was made. */
  readonly place: Error
}

/** The notes of the run whose code runs. Each storage costs time with each promise of the process, so there is only one. */
const scope = new AsyncLocalStorage<HiddenResources>()
let running = 0

/** Notes the hidden resources that a run makes, until they are destroyed. */
export class HiddenResources {
  readonly #made = new Map<number, Left>()
  readonly #hook = createHook({
    init: (id, type) => {
      if (!HIDDEN_TYPES.includes(type) || scope.getStore() !== this) return
      this.#made.set(id, { type, place: new Error(`The ${type} was made here.`) })
    },
    destroy: id => void this.#made.delete(id),
  })

  constructor() {
    running++
    this.#hook.enable()
  }

  /** Runs a function, and notes what it and its callbacks make, until `stop()`. */
  run<Result>(run: () => Promise<Result>): Promise<Result> {
    return scope.run(this, run)
  }

  stop(): void {
    this.#hook.disable()
    running--
    if (running === 0) scope.disable()
  }

  /** The resources that are left. Timers of Node itself, such as those of `AbortSignal.timeout()`, are not the stage's. */
  left(): readonly Left[] {
    return [...this.#made.values()].filter(({ type, place }) => type !== 'Timeout' || !isMadeByNode(place))
  }
}

function isMadeByNode(place: Error): boolean {
  const lines = String(place.stack)
    .split('\n')
    .filter(line => /^ +at /.test(line))
  // The first line is the hook.
  const caller = lines.slice(1).find(line => !TIMERS_LINE.test(line))
  return caller !== undefined && NODE_LINE.test(caller)
}
