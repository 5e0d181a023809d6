import { unwatchFile, watchFile } from 'node:fs'
import type { Environment } from '../../config/file/environment.js'
import { type LoadedFile, loadFile } from '../../config/file/load-file.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { logFlags, logSettings } from '../listener-flags.js'
import { type Log, type LogSettings, openLog } from '../log/log.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import { ListenerSet } from '../serving/listener-set.js'
import { shutdownOnSignal } from '../serving/shutdown-on-signal.js'

/** What the flags of `bywash serve` give. */
export interface ServeFileSettings {
  /** Reloads when the file changes, and not only at SIGHUP. */
  readonly watch: boolean
  readonly log: LogSettings
}

/** How often `--watch` looks, in milliseconds. */
const WATCH_INTERVAL_MS = 250

export const configure: CommandModule['configure'] = (command, io, exit) => {
  logFlags(
    command
      .argument('<file>', 'YAML or JSON')
      .option('--watch', 'reload when the file changes, and not only at SIGHUP'),
  )
    .addHelpText('after', '\nExample:\n  $ bywash serve bywash.yaml --watch')
    .action(async (file: string, flags: Readonly<Record<string, unknown>>) => {
      exit(await serveFile(file, { watch: flags.watch === true, log: logSettings(flags) }, io))
    })
}

/** Serves the listeners of a file until a signal comes, and reloads it at SIGHUP; returns the exit code. */
export async function serveFile(path: string, { watch, log }: ServeFileSettings, io: Io): Promise<number> {
  const served = new ServedFile(path, await openLog(log, io.stderr), io.env)
  const reload = () => void served.reload()
  const reloadChanged = () => void served.reload({ onlyChanged: true })
  io.on('SIGHUP', reload)
  // It looks at what stands at the path, as no watch of a folder does when a link, or a volume, gets a new target.
  if (watch) watchFile(path, { interval: WATCH_INTERVAL_MS }, reloadChanged)
  try {
    const problems = await served.start()
    for (const problem of problems) io.stderr.write(`${problem}\n`)
    return problems.length > 0 ? 2 : await shutdownOnSignal(served.listeners, io, served.failed)
  } finally {
    unwatchFile(path, reloadChanged)
    io.off('SIGHUP', reload)
  }
}

/** A file, and the listeners that it became. */
class ServedFile {
  readonly listeners: ListenerSet
  readonly #failure = new AbortController()
  readonly #path: string
  readonly #log: Log
  readonly #load: () => Promise<LoadedFile>
  /** What was last read, whether or not it was good. */
  #text: string | undefined
  /** One after the other, so that the last version of the file wins; it begins with the start. */
  #last: Promise<unknown> = Promise.resolve()

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
    this.#last = started.catch(() => {})
    return started
  }

  /** Serves what the file holds now, or goes on as before and says why. */
  reload({ onlyChanged = false } = {}): Promise<void> {
    const reloaded = this.#last.then(() => this.#reload(onlyChanged))
    this.#last = reloaded
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
