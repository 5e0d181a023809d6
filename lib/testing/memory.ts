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

/**
 * The bytes that a run holds at the moment when it calls the function that it is given, more than before it and after it; 0 if
 * it does not call it. What its caller keeps, such as the calls of a mock, is not counted.
 */
export async function bytesHeldBy(run: (hold: () => Promise<void>) => Promise<void>): Promise<number> {
  const before = await settledBytesInUse()
  let held: number | undefined
  await run(async () => {
    held = await settledBytesInUse()
  })
  if (held === undefined) return 0
  return held - Math.max(before, await settledBytesInUse())
}

/**
 * The bytes in use on the heap once young garbage is collected, which takes less than a millisecond. A Buffer is on the heap,
 * but not its memory, which is freed a little later.
 */
export function youngHeapInUse(): number {
  collector()?.({ type: 'minor' })
  return getHeapStatistics().used_heap_size
}

/** The bytes in use on the heap, once all garbage is collected, which takes some milliseconds. */
export function heapInUse(): number {
  collector()?.()
  return getHeapStatistics().used_heap_size
}

/** The bytes in use once all garbage is collected. */
export async function settledBytesInUse(): Promise<number> {
  // The memory of Buffers is freed on another thread, and counted as free the next time.
  for (let time = 0; time < 2; time++) {
    await turn()
    collector()?.()
  }
  return bytesInUse()
}
