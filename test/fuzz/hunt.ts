import fc from 'fast-check'
import { differences } from './differences.js'
import { type FuzzCase, fuzzCases } from './fuzz-case.js'
import type { Factories } from './stage-list.js'

/** A case in which something differs, reduced. */
export interface Finding {
  readonly tried: FuzzCase
  readonly found: readonly string[]
  /** Repeats it: the seed, and the path of fast-check to the reduced case. */
  readonly seed: number
  readonly path: string
}

/** How many cases are tried, and when to stop. */
export interface Hunt {
  readonly seed: number
  /** Only this case. @default all */
  readonly path?: string | undefined
  readonly runs: number
  /** The most cases that are tried to reduce one that differs. @default 1000 */
  readonly reductions?: number
  /** Whether to stop before all cases are tried, or while one is being reduced, which is then as short as it is. @default never */
  readonly isOver?: (isReducing: boolean) => boolean
  /** Differences that are known: lines that match are left out. @default none */
  readonly ignore?: RegExp | undefined
  /** The milliseconds in which descriptors must be closed. @default 10000 */
  readonly closingTime?: number
  /** Called before each case. */
  readonly onTry?: (tried: FuzzCase) => void
}

/** Tries random cases, and reduces the first one in which something differs; undefined where there is none. */
export async function hunt(
  factories: Factories,
  { seed, path, runs, reductions = 1000, isOver = () => false, ignore, closingTime, onTry = () => {} }: Hunt,
): Promise<Finding | undefined> {
  let last: readonly string[] = []
  let reduced = 0
  const property = fc.asyncProperty(fuzzCases(factories), async tried => {
    const isReducing = last.length > 0
    if ((isReducing && reduced++ >= reductions) || isOver(isReducing)) return
    onTry(tried)
    const found = (await differences(tried, factories, closingTime)).filter(line => !ignore?.test(line))
    if (found.length === 0) return
    last = found
    throw new Error(found[0])
  })
  const { counterexample, counterexamplePath } = await fc.check(property, {
    seed,
    numRuns: runs,
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  })
  if (counterexample === null) return undefined
  return { tried: counterexample[0], found: last, seed, path: counterexamplePath as string }
}
