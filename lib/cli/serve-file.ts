import { type LoadedFile, loadFile } from '../config/load-file.js'
import { BindError } from '../errors.js'
import type { CommandModule } from './commands.js'
import type { Io } from './main.js'
import { RunningListeners } from './running-listeners.js'
import { untilStopped } from './until-stopped.js'
import { watchFile } from './watch-file.js'

/** The flags of `bywash serve`. */
export interface ServeFileFlags {
  /** Reloads when the file changes, and not only at SIGHUP. */
  readonly watch?: boolean
  readonly quiet?: boolean
}

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
  const print = (line: string) => void io.stderr.write(`${line}\n`)
  const log = flags.quiet ? () => {} : print
  const served = new ServedFile(path, { io, log, print })
  if (!(await served.start())) return 1
  const reload = () => void served.reload()
  io.on('SIGHUP', reload)
  const unwatch = flags.watch
    ? watchFile(path, {
        onChange: () => void served.reload({ onlyChanged: true }),
        onError: error => print(`${path} is no longer watched: ${error.message}`),
      })
    : () => {}
  const exitCode = await untilStopped(served.listeners, io)
  unwatch()
  io.off('SIGHUP', reload)
  return exitCode
}

interface Surroundings {
  readonly io: Io
  /** Says what happens. */
  readonly log: (line: string) => void
  /** Says what is wrong. */
  readonly print: (line: string) => void
}

/** A file, and the listeners that it became. */
class ServedFile {
  readonly listeners = new RunningListeners()
  readonly #path: string
  readonly #surroundings: Surroundings
  /** What was last read, whether or not it was good. */
  #text: string | undefined
  /** Reloads are done one after the other, so that the last version of the file wins. */
  #last: Promise<void> = Promise.resolve()

  constructor(path: string, surroundings: Surroundings) {
    this.#path = path
    this.#surroundings = surroundings
  }

  /** Binds the listeners; false when the file has problems, which are printed. */
  async start(): Promise<boolean> {
    const { configuration, problems } = await this.#load()
    const { log, print } = this.#surroundings
    problems.forEach(print)
    if (configuration === undefined) return false
    const lines = await this.listeners.apply(configuration.listeners)
    lines.forEach(log)
    return true
  }

  /** Serves what the file holds now, or goes on as before and says why. */
  reload({ onlyChanged = false } = {}): Promise<void> {
    this.#last = this.#last.then(() => this.#reload(onlyChanged))
    return this.#last
  }

  async #reload(onlyChanged: boolean): Promise<void> {
    const before = this.#text
    const { configuration, problems } = await this.#load()
    if (onlyChanged && this.#text === before) return
    const { log, print } = this.#surroundings
    problems.forEach(print)
    if (configuration === undefined) {
      const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
      print(`${this.#path} was not reloaded, for it has ${count}; everything goes on as before`)
      return
    }
    try {
      const lines = await this.listeners.apply(configuration.listeners)
      log(`${this.#path} was reloaded${lines.length === 0 ? '; nothing has changed' : ''}`)
      lines.forEach(log)
    } catch (error) {
      if (!(error instanceof BindError)) throw error
      print(`${this.#path} was not reloaded; everything goes on as before: ${error.message}`)
    }
  }

  async #load(): Promise<LoadedFile> {
    const { io, log } = this.#surroundings
    const loaded = await loadFile(this.#path, { environment: io.env, log })
    this.#text = loaded.text
    return loaded
  }
}
