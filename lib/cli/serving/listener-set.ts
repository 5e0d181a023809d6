import { isDeepStrictEqual } from 'node:util'
import { formatBound } from '../../address.js'
import type { Configuration } from '../../config/file/configuration.js'
import { overlap } from '../../config/file/listen.js'
import { BindError } from '../../errors.js'
import { bind, reconfigure } from '../../listener/bind.js'
import { isLive, type ListenOptions } from '../../listener/listen-options.js'
import { type Listener, retireListener } from '../../listener/listener.js'
import type { StatusSource } from '../../status-server/status-source.js'
import { type WorkerDefinition, workerDefinition } from './worker-definition.js'

/** A listener as the configuration file describes it. */
type Entry = Configuration['listeners'][number]

/** A bound listener, with the entry that it was made from. */
interface BoundListener {
  readonly entry: Entry
  readonly listener: Listener
  /** The definition that workers are sent, if it has some: always that of the last version of the file. */
  readonly definition: { current: WorkerDefinition }
}

/** Returns the handlers that log the connections and the uncaught errors of an entry's listener. */
export type HandlersFor = (
  entry: Entry,
) => Pick<ListenOptions, 'onOpen' | 'onOutcome' | 'onError' | 'uncaught'>

/** The listeners of a configuration file. `apply()` changes them to a new version of it, and no connection is lost. */
export class ListenerSet {
  readonly #handlersFor: HandlersFor
  #bound: readonly BoundListener[] = []
  /** Replaced or removed listeners: they accept nothing, and close when their last connection has ended. */
  readonly #draining = new Set<Listener>()
  #lastApply: Promise<unknown> = Promise.resolve()
  #isClosing = false

  constructor(handlersFor: HandlersFor) {
    this.#handlersFor = handlersFor
  }

  /** The listeners that accept connections, and those that close with the set, as what tells their status. */
  *[Symbol.iterator](): Generator<StatusSource> {
    for (const { listener } of this.#bound) yield listener
  }

  /** Whether there are listeners, and `close()` has not been called. */
  get isServing(): boolean {
    return this.#bound.length > 0 && !this.#isClosing
  }

  /**
   * Binds, changes and removes listeners until they are those of `entries`. When an address cannot be bound, all stay
   * as they are. Open connections finish on the pipeline that they began with. Must not be called again before the
   * last call is done.
   *
   * @param text - The file that they stand in.
   * @returns A line for each listener that has changed.
   * @throws BindError when an address cannot be bound.
   */
  apply(entries: readonly Entry[], text: string): Promise<readonly string[]> {
    const applied = this.#apply(entries, text)
    this.#lastApply = applied.catch(() => {})
    return applied
  }

  /** Calls `close()` of every listener, also of those that are draining. */
  async close(options: { readonly timeout?: number }): Promise<{ readonly forced: number }> {
    this.#isClosing = true
    await this.#lastApply
    const all = [...this.#bound.map(({ listener }) => listener), ...this.#draining]
    const closed = await Promise.all(all.map(listener => listener.close(options)))
    return { forced: closed.reduce((sum, { forced }) => sum + forced, 0) }
  }

  async #apply(entries: readonly Entry[], text: string): Promise<readonly string[]> {
    const before = this.#bound
    const kept = before.filter(({ entry }) => entries.some(other => keepsSocket(entry, other)))
    const removed = before.filter(bound => !kept.includes(bound))
    const added = await this.#bindAll(
      entries.filter(entry => !kept.some(bound => keepsSocket(bound.entry, entry))),
      { kept, removed, text },
    )
    const lines: string[] = []
    const after: BoundListener[] = []
    for (const entry of entries) {
      const existing = kept.find(bound => keepsSocket(bound.entry, entry))
      if (existing === undefined) {
        const bound = added.get(entry) as BoundListener
        lines.push(additionText(bound, removed))
        after.push(bound)
      } else {
        existing.definition.current = workerDefinition(text, entry)
        after.push(await this.#change(existing, entry, lines))
      }
    }
    this.#bound = after
    for (const bound of removed) {
      const { name } = bound.entry
      if (!entries.some(entry => entry.name === name)) {
        lines.push(`${name}: no longer on ${addressOf(bound)}; ${openConnectionsText(bound.listener)}`)
      }
      await this.#retire(bound.listener)
    }
    return lines
  }

  /** Changes a listener that keeps its socket to a new entry: its options, its pipeline, or neither. */
  async #change(bound: BoundListener, entry: Entry, lines: string[]): Promise<BoundListener> {
    const { entry: old, listener } = bound
    const hasNewOptions = !isDeepStrictEqual(old.listen, entry.listen)
    if (hasNewOptions || old.written !== entry.written) {
      await reconfigure(listener, entry.pipeline, this.#optionsOf(entry))
      const open = openConnectionsText(listener)
      lines.push(
        hasNewOptions
          ? `${entry.name}: new options; ${open} with the old ones`
          : `${entry.name}: new pipeline; ${open} on the old one`,
      )
    }
    return { ...bound, entry }
  }

  /**
   * Binds the listeners of all entries, or of none. Removed listeners whose addresses these need are suspended first,
   * and resumed when binding fails.
   */
  async #bindAll(
    entries: readonly Entry[],
    {
      kept,
      removed,
      text,
    }: {
      readonly kept: readonly BoundListener[]
      readonly removed: readonly BoundListener[]
      readonly text: string
    },
  ): Promise<ReadonlyMap<Entry, BoundListener>> {
    const overlapping = removed.filter(({ entry }) =>
      entries.some(({ listen }) => overlap(listen, entry.listen)),
    )
    const bound = new Map<Entry, BoundListener>()
    try {
      await Promise.all(overlapping.map(({ listener }) => listener.suspend()))
      // A failed reload may have left one of them without its address; this binds it again.
      for (const { listener } of kept) await listener.resume()
      for (const entry of entries) bound.set(entry, await this.#bind(entry, text))
      return bound
    } catch (error) {
      await Promise.all([...bound.values()].map(({ listener }) => listener.close({ timeout: 0 })))
      throw await resumeAll(overlapping, error as Error)
    }
  }

  async #bind(entry: Entry, text: string): Promise<BoundListener> {
    const definition = { current: workerDefinition(text, entry) }
    const define = () => definition.current
    return {
      entry,
      definition,
      listener: await bind(entry.pipeline, this.#optionsOf(entry), { define }),
    }
  }

  #optionsOf(entry: Entry): ListenOptions {
    return { ...entry.listen, ...this.#handlersFor(entry) }
  }

  /** It stays one of the set until it has closed: its stages may still be writing copies. */
  async #retire(listener: Listener): Promise<void> {
    this.#draining.add(listener)
    void listener.closed.then(() => this.#draining.delete(listener))
    await retireListener(listener)
  }
}

/** Resumes suspended listeners; returns `error`, and adds to it the names of those whose address is lost. */
async function resumeAll(suspended: readonly BoundListener[], error: Error): Promise<Error> {
  const resumed = await Promise.allSettled(suspended.map(({ listener }) => listener.resume()))
  const lost = suspended.filter((_, index) => resumed[index]?.status === 'rejected')
  if (lost.length === 0) return error
  const names = lost.map(({ entry }) => `'${entry.name}'`).join(', ')
  const message = `${error.message}; no longer bound, until a reload succeeds: ${names}`
  return new BindError(message, { cause: error })
}

/** Whether the listener of one entry can become that of another without binding again. */
function keepsSocket(one: Entry, other: Entry): boolean {
  return one.name === other.name && isDeepStrictEqual(socketOptions(one), socketOptions(other))
}

/** The options that belong to the listening socket; the others can change while it stays bound. */
function socketOptions({ listen }: Entry): unknown {
  return Object.entries(listen).filter(([name]) => !isLive(name))
}

function additionText(bound: BoundListener, removed: readonly BoundListener[]): string {
  const { name } = bound.entry
  const old = removed.find(({ entry }) => entry.name === name)
  const address = addressOf(bound)
  if (old === undefined) return `${name}: listening on ${address}`
  const from = addressOf(old)
  const change = from === address ? `bound anew on ${address}` : `moved from ${from} to ${address}`
  return `${name}: ${change}; ${openConnectionsText(old.listener)} on the old one`
}

function addressOf({ listener }: BoundListener): string {
  return formatBound(listener.address)
}

function openConnectionsText({ connections }: Listener): string {
  return connections === 1 ? '1 open connection finishes' : `${connections} open connections finish`
}
