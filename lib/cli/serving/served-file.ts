import type { Configuration } from '../../config/file/configuration.js'
import type { Environment } from '../../config/file/environment.js'
import { type LoadedFile, loadFile } from '../../config/file/load-file.js'
import type { StatusServerOptions } from '../../status-server/status-options.js'
import type { Log } from '../log/log.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import { ListenerSet } from './listener-set.js'
import { ServedStatus } from './served-status.js'

/** A configuration file that is being served: binds its listeners, and applies its changes at a reload. */
export class ServedFile {
  readonly listeners: ListenerSet
  readonly #status: ServedStatus
  /** The value of `--status`, which stands above that of the file. */
  readonly #statusFlag: StatusServerOptions | undefined
  readonly #path: string
  readonly #log: Log
  readonly #load: () => Promise<LoadedFile>
  /** The text that was last read, also when it had problems. */
  #text: string | undefined
  /** The start, or the last reload. Each reload waits for the one before, so that the last version of the file wins. */
  #lastLoad: Promise<unknown> = Promise.resolve()

  /**
   * @param status - Where the status is served, whatever the file says.
   * @param failure - Is aborted by an uncaught error, unless the listener's policy for those is `isolate`.
   */
  constructor(
    path: string,
    log: Log,
    environment: Environment,
    failure: AbortController,
    status: StatusServerOptions | undefined,
  ) {
    this.#path = path
    this.#log = log
    this.#load = () => loadFile(path, { environment, log: log.info, readsCertificates: true })
    const uncaught = uncaughtLog(log, failure)
    this.listeners = new ListenerSet(({ name, listen }) => ({
      ...log.connections(name),
      uncaught: uncaught(listen.uncaught),
    }))
    this.#status = new ServedStatus(this.listeners)
    this.#statusFlag = status
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
    const lines = await this.listeners.apply(configuration.listeners)
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
      const lines = await this.listeners.apply(configuration.listeners)
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

  #applyStatus({ status }: Configuration): Promise<readonly string[]> {
    return this.#status.apply(this.#statusFlag ?? status)
  }
}
