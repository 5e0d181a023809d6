import { unwatchFile, watchFile } from 'node:fs'
import type { StatusServerOptions } from '../../status-server/status-options.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { logFlags, logSettings, statusFlag, statusFrom } from '../listener-flags.js'
import { type LogSettings, openLog } from '../log/log.js'
import { logProcessWarnings } from '../log/process-warnings.js'
import { serveUntilSignal } from '../serving/serve-until-signal.js'
import { ServedFile } from '../serving/served-file.js'

/** The values of the flags of `bywash serve`. */
export interface ServeFileSettings {
  /** Whether to reload when the file changes, and not only at SIGHUP. */
  readonly watch: boolean
  /** The address at which the status is served, whatever the file says. */
  readonly status: StatusServerOptions | undefined
  readonly log: LogSettings
}

/** Interval at which `--watch` checks the file. */
const WATCH_INTERVAL_MS = 250

/** `bywash serve FILE` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  logFlags(
    statusFlag(
      command
        .argument('<file>', 'YAML or JSON')
        .option('--watch', 'reload when the file changes, and not only at SIGHUP'),
    ),
  )
    .addHelpText('after', '\nExample:\n  $ bywash serve bywash.yaml --watch')
    .action(async (file: string, flags: Readonly<Record<string, unknown>>) => {
      const settings = {
        watch: flags.watch === true,
        status: statusFrom(flags, io.env),
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
  const reload = (options?: { readonly onlyChanged: boolean }) => void served?.reload(options)
  const reloadChanged = () => reload({ onlyChanged: true })
  const start = async () => {
    const log = await openLog(settings.log, io.stderr)
    stopLogging = logProcessWarnings(log)
    served = new ServedFile(path, log, io.env, failure, settings.status)
    // Polls the path: fs.watch() would not see that a symbolic link, or a mounted volume, has a new target.
    if (watch) watchFile(path, { interval: WATCH_INTERVAL_MS }, reloadChanged)
    const problems = await served.start()
    for (const problem of problems) io.stderr.write(`${problem}\n`)
    return problems.length > 0 ? 2 : served.listeners
  }
  try {
    return await serveUntilSignal({ start, failed: failure.signal, reload: () => reload() }, io)
  } finally {
    unwatchFile(path, reloadChanged)
    await served?.closeStatus()
    stopLogging?.()
  }
}
