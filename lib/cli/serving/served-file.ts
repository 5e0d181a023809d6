import type { Environment } from '../../config/file/environment.js'
import { type LoadedFile, loadFile } from '../../config/file/load-file.js'
import type { Log } from '../log/log.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import { ListenerSet } from './listener-set.js'

/** A file, and the listeners that it became. */
export class ServedFile {
  readonly listeners: ListenerSet
  readonly #failure = new AbortController()
  readonly #path: string
  readonly #log: Log
  readonly #load: () => Promise<LoadedFile>
  /** What was last read, whether or not it was good. */
  #text: string | undefined
  /** One after the other, so that the last version of the file wins; it begins with the start. */
  #lastLoad: Promise<unknown> = Promise.resolve()

  constructor(path: string, log: Log, environment: Environment) {
    this.#path = path
    this.#log = log
    this.#load = () => loadFile(path, { environment, log: log.info, readsCertificates: true })
    const uncaught = uncaughtLog(log, this.#failure)
    this.listeners = new ListenerSet(({ name, listen }) => ({
      ...log.connections(name),
      uncaught: uncaught(listen.uncaught),
    }))
  }

  /** Aborted by an uncaught error that ends the service. */
  get failed(): AbortSignal {
    return this.#failure.signal
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

  /** Serves what the file holds now, or goes on as before and says why. */
  reload({ onlyChanged = false } = {}): Promise<void> {
    const reloaded = this.#lastLoad.then(() => this.#reload(onlyChanged))
    this.#lastLoad = reloaded
    return reloaded
  }

  async #start(): Promise<readonly string[]> {
    const { configuration, problems, text } = await this.#load()
    this.#text = text
    if (configuration === undefined) return problems
    const lines = await this.listeners.apply(configuration.listeners)
    lines.forEach(this.#log.info)
    return []
  }

  async #reload(onlyChanged: boolean): Promise<void> {
    const before = this.#text
    const { configuration, problems, text } = await this.#load()
    // A signal to stop may have come meanwhile.
    if (!this.listeners.isServing || (onlyChanged && text === before)) return
    this.#text = text
    const { info, error: report } = this.#log
    if (configuration === undefined) {
      problems.forEach(report)
      const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
      report(`${this.#path} was not reloaded, for it has ${count}; everything goes on as before`)
      return
    }
    try {
      const lines = await this.listeners.apply(configuration.listeners)
      info(`${this.#path} was reloaded${lines.length === 0 ? '; nothing has changed' : ''}`)
      lines.forEach(info)
    } catch (error) {
      report(`${this.#path} was not reloaded: ${(error as Error).message}`)
    }
  }
}
