import { isDeepStrictEqual } from 'node:util'
import type { Configuration } from '../../config/file/configuration.js'
import type { Environment } from '../../config/file/environment.js'
import { type LoadedFile, loadFile } from '../../config/file/load-file.js'
import { InvalidOptionError } from '../../errors.js'
import type { WorkersOptions } from '../../listener/workers/workers-options.js'
import type { StatusServerOptions } from '../../status-server/status-options.js'
import type { Log } from '../log/log.js'
import { type HandlersFor, ListenerSet } from './listener-set.js'
import { ServedStatus } from './served-status.js'

/** The flags that stand above what the file says. */
export interface ServedFlags {
  /** The address at which the status is served. */
  readonly status: StatusServerOptions | undefined
  readonly workers: WorkersOptions | undefined
}

/** A configuration file that is being served: binds its listeners, and applies its changes at a reload. */
export class ServedFile {
  readonly listeners: ListenerSet
  readonly #status: ServedStatus
  readonly #flags: ServedFlags
  /** The workers that serve. To have others, the server has to be started again. */
  #workers: WorkersOptions | undefined
  readonly #path: string
  readonly #log: Log
  readonly #load: () => Promise<LoadedFile>
  /** The text that was last read, also when it had problems. */
  #text: string | undefined
  /** The start, or the last reload. Each reload waits for the one before, so that the last version of the file wins. */
  #lastLoad: Promise<unknown> = Promise.resolve()

  /**
   * @param flags - What is so, whatever the file says.
   */
  constructor(
    path: string,
    log: Log,
    environment: Environment,
    handlersFor: HandlersFor,
    flags: ServedFlags,
  ) {
    this.#path = path
    this.#log = log
    this.#load = () => loadFile(path, { environment, log: log.info, readsCertificates: true })
    this.listeners = new ListenerSet(handlersFor)
    this.#status = new ServedStatus(this.listeners)
    this.#flags = flags
  }

  /**
   * Binds the listeners, or returns the problems of the file.
   *
   * @throws BindError when an address cannot be bound.
   */
  start(): Promise<readonly string[]> {
    const started = this.#start()
    this.#lastLoad = started.catch(() => {})
    return started
  }

  /**
   * Reads the file again and applies it. When that fails it is logged, and the listeners stay as they are.
   *
   * @param options - `onlyChanged`: does nothing when the text is the same as before.
   */
  reload({ onlyChanged = false } = {}): Promise<void> {
    const reloaded = this.#lastLoad.then(() => this.#reload(onlyChanged))
    this.#lastLoad = reloaded
    return reloaded
  }

  async #start(): Promise<readonly string[]> {
    const { configuration, problems, warnings, text } = await this.#load()
    this.#text = text
    if (configuration === undefined) return problems
    warnings.forEach(this.#log.warn)
    this.#workers = this.#workersOf(configuration)
    const lines = await this.#applyListeners(configuration)
    const statusLines = await this.#applyStatus(configuration).catch(async (error: unknown) => {
      await this.listeners.close({ timeout: 0 })
      throw error
    })
    // A line says that all is served: from it on, each SIGHUP is a reload.
    for (const line of [...lines, ...statusLines]) this.#log.info(line)
    return []
  }

  async #reload(onlyChanged: boolean): Promise<void> {
    const before = this.#text
    const { configuration, problems, warnings, text } = await this.#load()
    // A signal may have closed the listeners while the file was read.
    if (!this.listeners.isServing || (onlyChanged && text === before)) return
    this.#text = text
    const { info, warn, error: report } = this.#log
    if (configuration === undefined) {
      problems.forEach(report)
      const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
      report(`${this.#path} was not reloaded, for it has ${count}; everything goes on as before`)
      return
    }
    warnings.forEach(warn)
    try {
      if (!isDeepStrictEqual(this.#workersOf(configuration), this.#workers))
        throw new InvalidOptionError("'workers' has changed, for which the server has to be started again")
      const lines = await this.#applyListeners(configuration)
      info(`${this.#path} was reloaded${lines.length === 0 ? '; nothing has changed' : ''}`)
      lines.forEach(info)
      const statusLines = await this.#applyStatus(configuration)
      statusLines.forEach(info)
    } catch (error) {
      report(`${this.#path} was not reloaded: ${(error as Error).message}`)
    }
  }

  /** Ends the status server; the listeners are closed on their own. */
  closeStatus(): Promise<void> {
    return this.#status.close()
  }

  #applyListeners({ listeners }: Configuration): Promise<readonly string[]> {
    const workers = this.#workers
    const entries =
      workers === undefined
        ? listeners
        : listeners.map(entry => ({ ...entry, listen: { ...entry.listen, workers } }))
    return this.listeners.apply(entries, this.#text as string)
  }

  #workersOf({ workers }: Configuration): WorkersOptions | undefined {
    return this.#flags.workers ?? workers
  }

  #applyStatus({ status }: Configuration): Promise<readonly string[]> {
    return this.#status.apply(this.#flags.status ?? status)
  }
}
