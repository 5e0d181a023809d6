import { formatAddress } from '../address.js'
import type { Configuration } from '../config/file.js'
import { overlap } from '../config/file-listen.js'
import { listen } from '../listen.js'
import type { Listener } from '../listener.js'

/** A listener as the file has it. */
type Entry = Configuration['listeners'][number]

/** A listener at work. */
interface Running {
  readonly entry: Entry
  readonly listener: Listener
}

/** The listeners of a file: a new version of it changes them, and ends no connection. */
export class RunningListeners {
  #running: readonly Running[] = []
  /** They accept nothing more, and wait for their last connections. */
  readonly #draining = new Set<Listener>()
  /** Changes are made one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #isClosing = false

  /**
   * Makes the listeners what the entries say, or leaves them all as they are when one cannot be bound. Connections
   * that are open finish on the pipeline that they began with.
   *
   * @returns What has changed, a line for each listener.
   * @throws BindError when an address cannot be bound.
   */
  apply(entries: readonly Entry[]): Promise<readonly string[]> {
    const applied = this.#last.then(() => (this.#isClosing ? [] : this.#apply(entries)))
    this.#last = applied.catch(() => {})
    return applied
  }

  /** Closes every listener as `listener.close()` does, also those that are being drained. */
  async close(options: { readonly timeout?: number } = {}): Promise<{ readonly forced: number }> {
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
    const added = await bindAll(
      entries.filter(entry => !kept.some(running => isSame(running.entry, entry))),
      gone,
    )
    const lines: string[] = []
    this.#running = await Promise.all(
      entries.map(async entry => {
        const running = added.find(running => running.entry === entry)
        if (running !== undefined) {
          lines.push(arrival(running, gone))
          return running
        }
        const { listener, entry: old } = kept.find(running => isSame(running.entry, entry)) as Running
        if (old.written !== entry.written) {
          await listener.replace(entry.pipeline)
          lines.push(`${entry.name}: new pipeline; ${finishing(listener)} on the old one`)
        }
        return { entry, listener }
      }),
    )
    for (const running of gone) {
      if (!entries.some(({ name }) => name === running.entry.name)) {
        lines.push(
          `${running.entry.name}: no longer on ${addressOf(running)}; ${finishing(running.listener)}`,
        )
      }
      this.#drain(running.listener)
    }
    return lines
  }

  #drain(listener: Listener): void {
    this.#draining.add(listener)
    void listener.close().then(() => this.#draining.delete(listener))
  }
}

/** Binds all or none. Listeners that go may have addresses that are wanted, and have them again when binding fails. */
async function bindAll(entries: readonly Entry[], gone: readonly Running[]): Promise<readonly Running[]> {
  const inTheWay = gone.filter(({ entry }) => entries.some(({ listen }) => overlap(listen, entry.listen)))
  for (const { listener } of inTheWay) listener.suspend()
  const bound: Running[] = []
  try {
    for (const entry of entries) {
      bound.push({ entry, listener: await listen(entry.pipeline, entry.listen) })
    }
    return bound
  } catch (error) {
    await Promise.all(bound.map(({ listener }) => listener.close({ timeout: 0 })))
    await Promise.all(inTheWay.map(({ listener }) => listener.resume()))
    throw error
  }
}

/** Whether two entries are one listener, which needs no binding. */
function isSame(one: Entry, other: Entry): boolean {
  return one.name === other.name && JSON.stringify(one.listen) === JSON.stringify(other.listen)
}

function arrival(running: Running, gone: readonly Running[]): string {
  const { name } = running.entry
  const old = gone.find(({ entry }) => entry.name === name)
  const address = addressOf(running)
  if (old === undefined) return `${name}: listening on ${address}`
  const from = addressOf(old)
  const change = from === address ? `new options on ${address}` : `moved from ${from} to ${address}`
  return `${name}: ${change}; ${finishing(old.listener)} on the old one`
}

function addressOf({ listener }: Running): string {
  return formatAddress(listener.address.address, listener.address.port)
}

function finishing({ connections }: Listener): string {
  return connections === 1 ? '1 open connection finishes' : `${connections} open connections finish`
}
