import { readFileSync } from 'node:fs'

const LIMITS_FILE = '/proc/self/limits'
/** Descriptors that are left for the program itself, its logs and refused connections. */
const RESERVED_FILES = 64
/** Of those, how many are left when a connection is refused whoever has the others: without any it would end in silence. */
const LAST_FILES = 4
const DEFAULT_MAX_CONNECTIONS = 10_000

/** Limit of open files of this process; Infinity where the system does not tell it. */
function openFileLimit(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync(LIMITS_FILE, 'utf8'))?.[1] ?? Infinity)
  } catch {
    // Not Linux. There, Node raises the limit as far as the system allows.
    return Infinity
  }
}

/**
 * The ledger of a process's descriptors: all its listeners and stages share one limit. Whoever opens a file or a socket
 * for as long as it serves enters it here, and a connection that would take a descriptor too many is refused in words.
 * The system would close it without any.
 */
export class OpenFiles {
  #limit: number
  /** Descriptors of open connections and of what stages hold for them. */
  #held = 0
  /** How many connections each acceptor was explicitly allowed. */
  readonly #promised = new Map<object, number>()

  constructor(limit = openFileLimit()) {
    this.#limit = limit
  }

  get limit(): number {
    return this.#limit
  }

  /** How many descriptors may be held: the limit less 64, or half of it, whichever is more. */
  get capacity(): number {
    return Math.max(1, this.#limit - RESERVED_FILES, Math.floor(this.#limit / 2))
  }

  /** The default of `maxConnections`: 10,000, or less where the limit is lower. */
  get defaultMaxConnections(): number {
    return Math.min(DEFAULT_MAX_CONNECTIONS, this.capacity)
  }

  /** Descriptors that are held now. */
  get held(): number {
    return this.#held
  }

  get hasRoom(): boolean {
    return this.#held < this.capacity
  }

  /** Reads the limit again. A listener does it when it opens, since a program may have changed it. */
  refresh(limit = openFileLimit()): void {
    this.#limit = limit
  }

  /**
   * Enters one descriptor, until `release()`. It only counts: whoever has to be refused when there is no room asks
   * `hasRoom` before.
   */
  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
  }

  /**
   * Whether an open descriptor is one of the last. The system gives the lowest free number, so all below it are in use,
   * also those that nobody has entered.
   */
  isLast(descriptor: number): boolean {
    return descriptor >= this.#limit - LAST_FILES
  }

  /** Remembers how many connections an acceptor may have; returns a warning if that is more than there can be. */
  promise(acceptor: object, connections: number): string | undefined {
    this.#promised.set(acceptor, connections)
    const all = [...this.#promised.values()].reduce((sum, each) => sum + each, 0)
    if (connections === 0 || all <= this.capacity) return undefined
    const others = all === connections ? '' : ` (${all} with those of other listeners)`
    return (
      `'maxConnections' allows ${connections} connections per process${others}, but the limit of ${this.#limit} open files ` +
      `leaves ${this.capacity}; more are refused. Raise that limit (ulimit -n, LimitNOFILE=), or lower 'maxConnections'.`
    )
  }

  /** Forgets what an acceptor may have: it accepts nothing any more. */
  withdraw(acceptor: object): void {
    this.#promised.delete(acceptor)
  }
}

/** The ledger of this process. */
export const OPEN_FILES = new OpenFiles()
