import { formatBound } from '../../address.js'
import { readTls } from '../../config/tls-files.js'
import { listen } from '../../listener/listen.js'
import type { Pipeline } from '../../pipeline.js'
import type { Preset } from '../../presets/index.js'
import type { Io } from '../io.js'
import type { ListenerSettings } from '../listener-flags.js'
import { openLog } from '../log/log.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import { reloadCertificateOnSighup } from './reload-certificate.js'
import { shutdownOnSignal } from './shutdown-on-signal.js'
import { trialLines } from './trial-lines.js'

/** Serves a pipeline until SIGINT or SIGTERM; returns the exit code. Presets and `bywash run` are this. */
export async function serve(
  pipelineFor: (log: (line: string) => void) => Pipeline<Buffer, Buffer>,
  { title, trial: tcpCommand }: Pick<Preset, 'title' | 'trial'>,
  { listen: options, tls: files, log: settings }: ListenerSettings,
  io: Io,
): Promise<number> {
  const log = await openLog(settings, io.stderr)
  const tls = files && { tls: await readTls(files, io.cwd()) }
  const failure = new AbortController()
  const listener = await listen(pipelineFor(log.info), {
    ...options,
    ...tls,
    ...log.connections(),
    uncaught: uncaughtLog(log, failure)(options.uncaught),
  })
  // Before the address is logged: whoever reads it may send a signal at once.
  const stopped = shutdownOnSignal(listener, io, failure.signal)
  const stopReloading = files && reloadCertificateOnSighup(listener, files, io, log)
  // With --workers only the primary logs the address.
  if (listener.worker === undefined) {
    log.info(`${title} ${formatBound(listener.address)}`)
    for (const line of trialLines(listener.address, files, tcpCommand)) log.info(line)
  }
  const exitCode = await stopped
  stopReloading?.()
  return exitCode
}
