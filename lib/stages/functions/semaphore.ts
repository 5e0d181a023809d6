import { InvalidOptionError } from '../../errors.js'
import { checkFunction, checkInteger } from '../../options/check-option.js'

/** A limit that calls of many connections share. Made by `semaphore()`. */
export class Semaphore {
  /** The most calls that are under way at the same time. */
  readonly limit: number
  #active = 0
  /** The calls that wait, in the order in which they came. */
  readonly #waiting = new Set<() => void>()

  /** @internal Made by `semaphore()`. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** The number of calls that are under way. */
  get active(): number {
    return this.#active
  }

  /** The number of calls that wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Calls a function once fewer than `limit` calls are under way, those of `asyncMap()` included, and gives what its promise
   * gives. Calls begin in the order in which they came.
   *
   * @example
   * const rows = await database.run(() => query('select 1'))
   */
  async run<Result>(work: () => PromiseLike<Result> | Result): Promise<Result> {
    checkFunction('run()', 'work', work)
    await new Promise<void>(resolve => this.begin(resolve))
    try {
      return await work()
    } finally {
      this.end()
    }
  }

  /** Calls `begun` once a call may begin, which `end` then ends. @internal */
  begin(begun: () => void): void {
    if (this.#active < this.limit) {
      this.#active++
      begun()
    } else {
      this.#waiting.add(begun)
    }
  }

  /** Takes a call that waits back; false where it has begun. @internal */
  cancel(begun: () => void): boolean {
    return this.#waiting.delete(begun)
  }

  /** @internal */
  end(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#active--
    } else {
      this.#waiting.delete(next)
      next()
    }
  }
}

/**
 * Makes a limit that calls of all connections share, such as for the connections of a database: for the `limit` of `asyncMap()`,
 * and for calls of your own with `run()`.
 *
 * @param limit - The most calls that are under way at the same time, from 1 to 65,536.
 * @throws InvalidOptionError for another limit.
 * @example
 * const database = semaphore(16)
 * const lookup = asyncMap('lookup', line => query(line), { concurrency: 4, limit: database })
 */
export function semaphore(limit: number): Semaphore {
  checkInteger('semaphore()', 'limit', limit, 1, 65_536)
  return new Semaphore(limit)
}

/** Throws for what `semaphore()` has not made. */
export function checkSemaphore(owner: string, value: unknown): void {
  if (value instanceof Semaphore) return
  throw new InvalidOptionError(`${owner}: 'limit' is made by semaphore(), as in semaphore(16).`)
}
