import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { turn } from './turns.js'

type Collect = (options?: { readonly type: 'minor' }) => void

/** V8's collector, which Node shows only to programs that ask for it; null where another engine has none. */
let collect: Collect | null | undefined

function collector(): Collect | null {
  if (collect === undefined) collect = findCollector()
  return collect
}

/** @param evaluate - Evaluates code in a new context, where V8's options are those of now. */
export function findCollector(evaluate: (code: string) => unknown = runInNewContext): Collect | null {
  try {
    setFlagsFromString('--expose-gc')
    return evaluate('gc') as Collect
  } catch {
    return null
  }
}

/** Sets the collector, or finds it again. For tests. */
export function useCollector(use?: Collect | null): void {
  collect = use
}

/** Whether the memory in use can be told from garbage. */
export function canCollect(): boolean {
  return collector() !== null
}

/** The bytes in use, on the heap and in Buffers, garbage included. */
export function bytesInUse(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

/** Notes, in a run, what is held at this moment, of which `owner` is a part that is garbage behind the run. */
export type Hold = (owner: object) => Promise<void>

/**
 * The bytes that a run holds at the moment when it calls the function that it is given, more than behind it; 0 if it does not
 * call it. What its caller keeps, such as the calls of a mock, is not counted.
 */
export async function bytesHeldBy(run: (hold: Hold) => Promise<void>): Promise<number> {
  let held: number | undefined
  let owned: WeakRef<object> | undefined
  await run(async owner => {
    owned = new WeakRef(owner)
    held = await settledBytesInUse()
  })
  return held === undefined ? 0 : held - (await settledBytesInUse(owned))
}

/**
 * The bytes in use on the heap once young garbage is collected, which takes less than a millisecond. A Buffer is on the heap,
 * but not its memory, which is freed a little later.
 */
export function youngHeapInUse(): number {
  collector()?.({ type: 'minor' })
  return getHeapStatistics().used_heap_size
}

/** Collections after which the memory is taken to be settled, in any case. */
const MAX_COLLECTIONS = 20
/** How much less memory another collection may show. */
const SETTLED_BYTES = 16_384

/**
 * The bytes in use once all garbage is collected, which takes some milliseconds for each collection.
 *
 * @param gone - What has to be collected before. V8's compiler, on its own thread, may keep it for a while. @default nothing
 */
export async function settledBytesInUse(gone?: WeakRef<object>): Promise<number> {
  let before = Number.POSITIVE_INFINITY
  for (let count = 1; ; count++) {
    await turn()
    collector()?.()
    const inUse = bytesInUse()
    // V8 may have begun to mark, and then finds what was dropped since only the next time. The memory of Buffers is freed on
    // another thread, and counted as free the next time too.
    const isSettled = before - inUse < SETTLED_BYTES && gone?.deref() === undefined
    if (isSettled || count === MAX_COLLECTIONS) return inUse
    before = inUse
  }
}
