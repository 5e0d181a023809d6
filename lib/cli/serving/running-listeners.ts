import { isDeepStrictEqual } from 'node:util'
import { formatBound } from '../../address.js'
import type { Configuration } from '../../config/file/configuration.js'
import { overlap } from '../../config/file/listen.js'
import { BindError } from '../../errors.js'
import { stopAccepting, takeOver } from '../../listener/bind.js'
import { listen } from '../../listener/listen.js'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { Listener } from '../../listener/listener.js'

/** A listener as the file has it. */
type Entry = Configuration['listeners'][number]

/** A listener at work. */
interface Running {
  readonly entry: Entry
  readonly listener: Listener
}

/** What hears of the connections of a listener, and of uncaught errors. */
type Watch = (entry: Entry) => Pick<ListenOptions, 'onOpen' | 'onOutcome' | 'onError' | 'uncaught'>

/** The listeners of a file: a new version of it changes them, and ends no connection. */
export class RunningListeners {
  readonly #watch: Watch
  #running: readonly Running[] = []
  /** They accept nothing more, and serve their last connections. */
  readonly #draining = new Set<Listener>()
  #last: Promise<unknown> = Promise.resolve()
  #isClosing = false

  constructor(watch: Watch) {
    this.#watch = watch
  }

  /** Whether there are listeners, and nobody has closed them. */
  get isServing(): boolean {
    return this.#running.length > 0 && !this.#isClosing
  }

  /**
   * Makes the listeners what the entries say, or leaves them as they are when one cannot be bound. Connections that are
   * open finish on the pipeline that they began with. Called again when the last call is done.
   *
   * @returns What has changed, a line for each listener.
   * @throws BindError when an address cannot be bound.
   */
  apply(entries: readonly Entry[]): Promise<readonly string[]> {
    const applied = this.#apply(entries)
    this.#last = applied.catch(() => {})
    return applied
  }

  /** Closes every listener as `listener.close()` does, also those whose last connections are open. */
  async close(options: { readonly timeout?: number }): Promise<{ readonly forced: number }> {
    this.#isClosing = true
    await this.#last
    const all = [...this.#running.map(({ listener }) => listener), ...this.#draining]
    const closed = await Promise.all(all.map(listener => listener.close(options)))
    return { forced: closed.reduce((sum, { forced }) => sum + forced, 0) }
  }

  async #apply(entries: readonly Entry[]): Promise<readonly string[]> {
    const before = this.#running
    const kept = before.filter(({ entry }) => entries.some(other => isSame(entry, other)))
    const gone = before.filter(running => !kept.includes(running))
    const added = await this.#bindAll(
      entries.filter(entry => !kept.some(running => isSame(running.entry, entry))),
      { kept, gone },
    )
    const lines: string[] = []
    const running: Running[] = []
    for (const entry of entries) {
      const same = kept.find(running => isSame(running.entry, entry))
      if (same === undefined) {
        const next = added.get(entry) as Running
        lines.push(arrival(next, gone))
        running.push(next)
      } else {
        running.push(await this.#change(same, entry, lines))
      }
    }
    this.#running = running
    for (const running of gone) {
      const { name } = running.entry
      if (!entries.some(entry => entry.name === name)) {
        lines.push(`${name}: no longer on ${addressOf(running)}; ${finishing(running.listener)}`)
      }
      this.#drain(running.listener)
    }
    return lines
  }

  /** Serves new connections of a listener as another entry says. */
  async #change(running: Running, entry: Entry, lines: string[]): Promise<Running> {
    const { entry: old, listener } = running
    if (!isDeepStrictEqual(old.listen, entry.listen)) {
      const next = await this.#bind(entry, options => takeOver(listener, entry.pipeline, options))
      lines.push(`${entry.name}: new options; ${finishing(listener)} with the old ones`)
      this.#drain(listener)
      return next
    }
    if (old.written !== entry.written) {
      await listener.replace(entry.pipeline)
      lines.push(`${entry.name}: new pipeline; ${finishing(listener)} on the old one`)
    }
    return { entry, listener }
  }

  /** Binds all or none. Listeners that go may have addresses that are wanted, and have them again when binding fails. */
  async #bindAll(
    entries: readonly Entry[],
    { kept, gone }: { readonly kept: readonly Running[]; readonly gone: readonly Running[] },
  ): Promise<ReadonlyMap<Entry, Running>> {
    const inTheWay = gone.filter(({ entry }) => entries.some(({ listen }) => overlap(listen, entry.listen)))
    const bound = new Map<Entry, Running>()
    try {
      for (const { listener } of inTheWay) listener.suspend()
      // One that lost its address before may have it again.
      for (const { listener } of kept) await listener.resume()
      for (const entry of entries)
        bound.set(entry, await this.#bind(entry, options => listen(entry.pipeline, options)))
      return bound
    } catch (error) {
      await Promise.all([...bound.values()].map(({ listener }) => listener.close({ timeout: 0 })))
      throw await resumeAll(inTheWay, error as Error)
    }
  }

  async #bind(entry: Entry, begin: (options: ListenOptions) => Promise<Listener>): Promise<Running> {
    const watch = this.#watch(entry)
    const listener = await begin({
      ...entry.listen,
      ...watch,
      onOutcome: (outcome, connection) => {
        watch.onOutcome?.(outcome, connection)
        this.#finish(listener)
      },
    })
    return { entry, listener }
  }

  #drain(listener: Listener): void {
    stopAccepting(listener)
    this.#draining.add(listener)
    this.#finish(listener)
  }

  #finish(listener: Listener): void {
    if (listener.connections > 0 || !this.#draining.delete(listener)) return
    void listener.close()
  }
}

/** Takes back the addresses of listeners; returns what is to be thrown. */
async function resumeAll(suspended: readonly Running[], error: Error): Promise<Error> {
  const resumed = await Promise.allSettled(suspended.map(({ listener }) => listener.resume()))
  const lost = suspended.filter((_, index) => resumed[index]?.status === 'rejected')
  if (lost.length === 0) return error
  const names = lost.map(({ entry }) => `'${entry.name}'`).join(', ')
  const message = `${error.message}; no longer bound, until a reload succeeds: ${names}`
  return new BindError(message, { cause: error })
}

/** What can change while the address stays bound; all else is of the socket that listens. */
const CHANGEABLE = [
  'tls',
  'maxConnections',
  'maxConnectionsPerAddress',
  'allow',
  'deny',
  'idleTimeout',
  'frameTimeout',
  'drainTimeout',
  'halfCloseTimeout',
  'shutdownTimeout',
  'uncaught',
  'plan',
  'tls',
]

/** Whether two entries are one listener, which needs no binding. */
function isSame(one: Entry, other: Entry): boolean {
  return one.name === other.name && isDeepStrictEqual(socketOf(one), socketOf(other))
}

function socketOf({ listen }: Entry): unknown {
  return Object.entries(listen).filter(([name]) => !CHANGEABLE.includes(name))
}

function arrival(running: Running, gone: readonly Running[]): string {
  const { name } = running.entry
  const old = gone.find(({ entry }) => entry.name === name)
  const address = addressOf(running)
  if (old === undefined) return `${name}: listening on ${address}`
  const from = addressOf(old)
  const change = from === address ? `bound anew on ${address}` : `moved from ${from} to ${address}`
  return `${name}: ${change}; ${finishing(old.listener)} on the old one`
}

function addressOf({ listener }: Running): string {
  return formatBound(listener.address)
}

function finishing({ connections }: Listener): string {
  return connections === 1 ? '1 open connection finishes' : `${connections} open connections finish`
}
