import { unwatchFile, watchFile } from 'node:fs'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { logFlags, logSettings } from '../listener-flags.js'
import { type LogSettings, openLog } from '../log/log.js'
import { ServedFile } from '../serving/served-file.js'
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
