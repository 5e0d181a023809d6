import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { turn } from '../turns.js'

/** Notes, in a run, what is held at this moment, of which `owner` is a part that is garbage behind the run. */
export type Hold = (owner: object) => Promise<void>

/** The change of the memory between two looks. */
export interface Growth {
  readonly bytes: number
  /** Whether V8 has collected no old garbage meanwhile, which would hide growth. */
  readonly isSure: boolean
}

/** The memory of the process, as the laws look at it. */
export interface Memory {
  /** Whether what is in use can be told from garbage. Without it only `inUse()` means something. */
  readonly isVisible: boolean
  /** The bytes in use, on the heap and in Buffers, garbage included. */
  readonly inUse: () => number
  /**
   * The growth of the heap between the first look that a run takes and its last one, each in less than a millisecond. Old
   * garbage counts as in use. A Buffer is on the heap, but not its bytes.
   */
  readonly growthDuring: (run: (look: () => void) => Promise<void>) => Promise<Growth>
  /**
   * The bytes that a run holds at the moment when it calls `hold`, more than behind it; 0 if it does not call it. What its
   * caller keeps, such as the calls of a mock, is not counted. It takes some milliseconds for each collection.
   */
  readonly heldBy: (run: (hold: Hold) => Promise<void>) => Promise<number>
}

/** V8's collector, of all garbage or of the young one. */
type Collect = (options?: { readonly type: 'minor' }) => void

/** The view of its heap that a JavaScript engine gives. */
export interface Heap {
  /** The collector; null where the engine shows none. */
  readonly collect: Collect | null
  readonly statistics: () => Pick<ReturnType<typeof getHeapStatistics>, 'used_heap_size' | 'external_memory'>
}

/** V8's collector, which Node shows only to programs that ask for it; null where another engine has none. */
export function findCollector(evaluate: (code: string) => unknown = runInNewContext): Collect | null {
  try {
    setFlagsFromString('--expose-gc')
    // A new context has the options of now.
    return evaluate('gc') as Collect
  } catch {
    return null
  }
}

let found: Memory | undefined

/** The memory of this process. */
export function processMemory(): Memory {
  found ??= memoryIn({ collect: findCollector(), statistics: getHeapStatistics })
  return found
}

/** Collections after which the memory is taken to be settled, in any case. */
const MAX_COLLECTIONS = 20
/** How much less memory another collection may show. */
const SETTLED_BYTES = 16_384

/** The memory in a heap. */
export function memoryIn({ collect, statistics }: Heap): Memory {
  const inUse = () => {
    const { used_heap_size: heap, external_memory: external } = statistics()
    return heap + external
  }
  /** @param gone - What has to be collected before. V8's compiler, on its own thread, may keep it for a while. */
  const settled = async (gone?: WeakRef<object>): Promise<number> => {
    let before = Number.POSITIVE_INFINITY
    let bytes = 0
    for (let count = 0; count < MAX_COLLECTIONS; count++) {
      await turn()
      collect?.()
      bytes = inUse()
      // V8 may have begun to mark, and then finds what was dropped since only the next time. The memory of Buffers is freed on
      // another thread, and counted as free the next time too.
      if (before - bytes < SETTLED_BYTES && gone?.deref() === undefined) break
      before = bytes
    }
    return bytes
  }
  return {
    isVisible: collect !== null,
    inUse,
    growthDuring: async run => {
      // Only a collection of all garbage clears it.
      const witness = new WeakRef({})
      const looks: number[] = []
      await run(() => {
        collect?.({ type: 'minor' })
        looks.push(statistics().used_heap_size)
      })
      const [first = 0] = looks
      return { bytes: (looks.at(-1) ?? first) - first, isSure: witness.deref() !== undefined }
    },
    heldBy: async run => {
      let held: number | undefined
      let owned: WeakRef<object> | undefined
      await run(async owner => {
        owned = new WeakRef(owner)
        held = await settled()
      })
      return held === undefined ? 0 : held - (await settled(owned))
    },
  }
}
