/** Steps between two looks at the memory in use, which falls only when some megabytes of garbage are collected. */
const STEPS_PER_LOOK = 8

type Method = (this: ArrayLike<unknown>, ...parameters: unknown[]) => unknown
type Prototype = Record<string, Method>

const SEARCHES = ['indexOf', 'includes']
const WALKS = ['reduce', 'forEach', 'map', 'filter', 'join']
/** Methods that look at many elements in one call, of what a stage may keep its input in. */
const COUNTED: readonly (readonly [unknown, readonly string[]])[] = [
  [Buffer.prototype, SEARCHES],
  [Object.getPrototypeOf(Uint8Array.prototype), [...SEARCHES, ...WALKS]],
  [Array.prototype, [...SEARCHES, ...WALKS]],
  [String.prototype, SEARCHES],
]

/** How many elements a call has looked at, at least. */
function elementsOf(isSearch: boolean, length: number, from: unknown, result: unknown): number {
  if (!isSearch) return length
  if (result === true) return 0
  const end = typeof result === 'number' && result >= 0 ? result : length
  return Math.max(end - (typeof from === 'number' ? from : 0), 0)
}

/**
 * Counts the work of synchronous steps: the bytes that they allocate, and the elements that they search. A loop of a stage
 * over what it keeps cannot be counted.
 *
 * @param bytesInUse - The memory in use, garbage included.
 */
export function workOf(steps: number, step: () => void, bytesInUse: () => number): number {
  let work = 0
  const restore: (() => void)[] = []
  for (const [prototype, names] of COUNTED as readonly (readonly [Prototype, readonly string[]])[]) {
    for (const name of names.filter(each => Object.hasOwn(prototype, each))) {
      const original = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
      const method = original.value as Method
      const isSearch = SEARCHES.includes(name)
      const counting: Method = function (...parameters) {
        const result = method.apply(this, parameters)
        work += elementsOf(isSearch, this.length, parameters[1], result)
        return result
      }
      Object.defineProperty(prototype, name, { ...original, value: counting })
      restore.push(() => Object.defineProperty(prototype, name, original))
    }
  }
  try {
    let before = bytesInUse()
    for (let count = 1; count <= steps; count++) {
      step()
      if (count % STEPS_PER_LOOK > 0) continue
      const now = bytesInUse()
      work += Math.max(now - before, 0)
      before = now
    }
  } finally {
    for (const each of restore) each()
  }
  return work
}
