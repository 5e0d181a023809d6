import { formatBound } from '../../address.js'
import { readTls } from '../../config/tls-files.js'
import { listen } from '../../listener/listen.js'
import type { Pipeline } from '../../pipeline.js'
import type { Preset } from '../../presets/index.js'
import type { StatusSource } from '../../status-server/status-source.js'
import type { Io } from '../io.js'
import type { ListenerSettings } from '../listener-flags.js'
import { openLog } from '../log/log.js'
import { logProcessWarnings } from '../log/process-warnings.js'
import { uncaughtLog } from '../log/uncaught-log.js'
import { reloadCertificate } from './reload-certificate.js'
import { serveUntilSignal } from './serve-until-signal.js'
import { ServedStatus } from './served-status.js'
import { trialLines, websocketTrialLines } from './trial-lines.js'

/** Serves a pipeline until SIGINT or SIGTERM; returns the exit code. Presets and `bywash run` are this. */
export async function serve(
  pipelineFor: (log: (line: string) => void) => Pipeline<Buffer, Buffer>,
  { title, trial: tcpCommand }: Pick<Preset, 'title' | 'trial'>,
  { listen: options, tls: files, status: statusOptions, log: settings }: ListenerSettings,
  io: Io,
): Promise<number> {
  const failure = new AbortController()
  let stopLogging: (() => void) | undefined
  let reload: (() => void) | undefined
  const sources: StatusSource[] = []
  const status = new ServedStatus(sources)
  const start = async (signal: AbortSignal) => {
    const log = await openLog(settings, io.stderr)
    stopLogging = logProcessWarnings(log)
    const read = files && (await readTls(files, io.cwd()))
    const listener = await listen(pipelineFor(log.info), {
      ...options,
      ...(read && { tls: read.tls }),
      ...log.connections(),
      uncaught: uncaughtLog(log, failure)(options.uncaught),
      signal,
    })
    // With --workers the primary alone logs the address and reads the certificates, which it sends to the workers.
    if (listener.worker !== undefined) return listener
    sources.push(listener)
    const statusLines = await status.apply(statusOptions).catch(async (error: unknown) => {
      await listener.close({ timeout: 0 })
      throw error
    })
    read?.warnings.forEach(log.warn)
    if (files !== undefined) reload = () => void reloadCertificate(listener, files, io, log)
    log.info(`${title} ${formatBound(listener.address)}`)
    const { websocket } = options
    const lines =
      websocket === undefined
        ? trialLines(listener.address, files, tcpCommand)
        : websocketTrialLines(listener.address, files !== undefined, websocket)
    for (const line of [...lines, ...statusLines]) log.info(line)
    return listener
  }
  try {
    return await serveUntilSignal({ start, failed: failure.signal, reload: files && (() => reload?.()) }, io)
  } finally {
    await status.close()
    stopLogging?.()
  }
}
