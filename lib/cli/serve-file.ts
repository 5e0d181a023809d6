import { unwatchFile, watchFile } from 'node:fs'
import { type LoadedFile, loadFile } from '../config/load-file.js'
import { printable } from '../printable.js'
import type { CommandModule } from './commands.js'
import type { Io } from './main.js'
import { RunningListeners } from './running-listeners.js'
import { untilStopped } from './until-stopped.js'

/** The flags of `bywash serve`. */
export interface ServeFileFlags {
  /** Reloads when the file changes, and not only at SIGHUP. */
  readonly watch?: boolean
  readonly quiet?: boolean
}

/** How often `--watch` looks, in milliseconds. */
const INTERVAL = 250

export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('<file>', 'YAML or JSON')
    .option('--watch', 'reload when the file changes, and not only at SIGHUP')
    .option('--quiet', 'print errors only')
    .addHelpText('after', '\nExample:\n  $ bywash serve bywash.yaml --watch')
    .action(async (file: string, flags: ServeFileFlags) => exit(await serveFile(file, flags, io)))
}

/** Serves the listeners of a file until a signal comes, and reloads it at SIGHUP; returns the exit code. */
export async function serveFile(path: string, flags: ServeFileFlags, io: Io): Promise<number> {
  const served = new ServedFile(path, flags, io)
  const reload = () => void served.reload()
  const reloadChanged = () => void served.reload({ onlyChanged: true })
  io.on('SIGHUP', reload)
  // It looks at what stands at the path, as no watch of a folder does when a link, or a volume, gets a new target.
  if (flags.watch) watchFile(path, { interval: INTERVAL }, reloadChanged)
  try {
    return (await served.start()) ? await untilStopped(served.listeners, io) : 2
  } finally {
    unwatchFile(path, reloadChanged)
    io.off('SIGHUP', reload)
  }
}

/** A file, and the listeners that it became. */
class ServedFile {
  readonly listeners: RunningListeners
  readonly #load: () => Promise<LoadedFile>
  readonly #path: string
  /** Says what happens. */
  readonly #log: (line: string) => void
  /** Says what is wrong. */
  readonly #print: (line: string) => void
  /** What was last read, whether or not it was good. */
  #text: string | undefined
  /** One after the other, so that the last version of the file wins; it begins with the start. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(path: string, { quiet }: ServeFileFlags, { stderr, env }: Io) {
    const print = (line: string) => void stderr.write(`${line}\n`)
    const log = quiet ? () => {} : print
    this.#path = path
    this.#print = print
    this.#log = log
    this.#load = () => loadFile(path, { environment: env, log })
    this.listeners = new RunningListeners((error, { id }, name) => {
      print(`[${name} #${id}] ${printable(error.message)}`)
    })
  }

  /**
   * Binds the listeners; false when the file has problems, which are printed.
   *
   * @throws BindError when an address cannot be bound.
   */
  start(): Promise<boolean> {
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

  async #start(): Promise<boolean> {
    const { configuration, problems, text } = await this.#load()
    this.#text = text
    problems.forEach(this.#print)
    if (configuration === undefined) return false
    const lines = await this.listeners.apply(configuration.listeners)
    lines.forEach(this.#log)
    return true
  }

  async #reload(onlyChanged: boolean): Promise<void> {
    const before = this.#text
    const { configuration, problems, text } = await this.#load()
    // A signal to stop may have come meanwhile.
    if (!this.listeners.isServing || (onlyChanged && text === before)) return
    this.#text = text
    problems.forEach(this.#print)
    if (configuration === undefined) {
      const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
      this.#print(`${this.#path} was not reloaded, for it has ${count}; everything goes on as before`)
      return
    }
    try {
      const lines = await this.listeners.apply(configuration.listeners)
      this.#log(`${this.#path} was reloaded${lines.length === 0 ? '; nothing has changed' : ''}`)
      lines.forEach(this.#log)
    } catch (error) {
      this.#print(`${this.#path} was not reloaded: ${(error as Error).message}`)
    }
  }
}
