import { unwatchFile, watchFile } from 'node:fs'
import { NUMBER_VARIABLE } from '../../listener/workers/worker-number.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import {
  logFlags,
  logSettings,
  statusFlag,
  statusFrom,
  workersFlags,
  workersFrom,
} from '../listener-flags.js'
import { type LogSettings, openLog } from '../log/log.js'
import { logProcessWarnings } from '../log/process-warnings.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import type { HandlersFor } from '../serving/listener-set.js'
import { serveUntilSignal } from '../serving/serve-until-signal.js'
import { ServedFile, type ServedFlags } from '../serving/served-file.js'

/** The values of the flags of `bywash serve`. */
export interface ServeFileSettings extends ServedFlags {
  /** Whether to reload when the file changes, and not only at SIGHUP. */
  readonly watch: boolean
  readonly log: LogSettings
}

/** Interval at which `--watch` checks the file. */
const WATCH_INTERVAL_MS = 250

/** `bywash serve FILE` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  logFlags(
    statusFlag(
      workersFlags(
        command
          .argument('<file>', 'YAML or JSON')
          .option('--watch', 'reload when the file changes, and not only at SIGHUP'),
      ),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ bywash serve bywash.yaml --watch')
    .action(async (file: string, flags: Readonly<Record<string, unknown>>) => {
      const settings = {
        watch: flags.watch === true,
        status: statusFrom(flags, io.env),
        workers: workersFrom(flags),
        log: logSettings(flags),
      }
      exit(await serveFile(file, settings, io))
    })
}

/** Serves the listeners of a file until a signal comes, and reloads it at SIGHUP; returns the exit code. */
export async function serveFile(path: string, settings: ServeFileSettings, io: Io): Promise<number> {
  const { watch } = settings
  const failure = new AbortController()
  let served: ServedFile | undefined
  let stopLogging: (() => void) | undefined
  let recheck: NodeJS.Timeout | undefined
  const reload = (options?: { readonly onlyChanged: boolean }) => void served?.reload(options)
  const reloadChanged = () => reload({ onlyChanged: true })
  const start = async () => {
    const log = await openLog(settings.log, io.stderr)
    stopLogging = logProcessWarnings(log)
    const uncaught = uncaughtLog(log, failure)
    const handlersFor: HandlersFor = ({ name, listen }) => ({
      ...log.connections(name),
      uncaught: uncaught(listen.uncaught),
    })
    if (process.env[NUMBER_VARIABLE] !== undefined) {
      const { serveInWorker } = await import('../serving/serve-in-worker.js')
      const inWorker = serveInWorker(path, { environment: io.env, log: log.info, handlersFor })
      if (inWorker !== undefined) return inWorker
    }
    served = new ServedFile(path, log, io.env, handlersFor, settings)
    // Polls the path: fs.watch() would not see that a symbolic link, or a mounted volume, has a new target.
    if (watch) watchFile(path, { interval: WATCH_INTERVAL_MS }, reloadChanged)
    const problems = await served.start()
    // The first look of watchFile() may have come behind the read, and then misses what was written between the two.
    if (watch) recheck = setTimeout(reloadChanged, WATCH_INTERVAL_MS)
    for (const problem of problems) io.stderr.write(`${problem}\n`)
    return problems.length > 0 ? 2 : served.listeners
  }
  try {
    return await serveUntilSignal({ start, failed: failure.signal, reload: () => reload() }, io)
  } finally {
    unwatchFile(path, reloadChanged)
    clearTimeout(recheck)
    await served?.closeStatus()
    stopLogging?.()
  }
}
