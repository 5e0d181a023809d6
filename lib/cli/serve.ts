import { formatBound } from '../address.js'
import { readTls } from '../config/tls-files.js'
import type { Connection } from '../connection.js'
import type { BywashError } from '../errors.js'
import { listen } from '../listen.js'
import type { Pipeline } from '../pipeline.js'
import type { Preset } from '../presets/index.js'
import { printable } from '../printable.js'
import type { ListenerSettings } from './listener-flags.js'
import type { Io } from './main.js'
import { renewAtHangup } from './renew-at-hangup.js'
import { trialOf } from './trial.js'
import { untilStopped } from './until-stopped.js'

/** Serves a pipeline until a signal comes; returns the exit code. */
export async function serve(
  pipelineFor: (log: (line: string) => void) => Pipeline<Buffer, Buffer>,
  { title, trial }: Pick<Preset, 'title' | 'trial'>,
  { listen: options, tls: files, quiet }: ListenerSettings,
  io: Io,
): Promise<number> {
  const log = quiet ? () => {} : (line: string) => void io.stderr.write(`${line}\n`)
  const onError = (error: BywashError, { id }: Connection) =>
    void io.stderr.write(`[conn #${id}] ${printable(error.message)}\n`)
  const tls = files && { tls: await readTls(files, io.cwd()) }
  const listener = await listen(pipelineFor(log), { ...options, ...tls, onError })
  log(`${title} ${formatBound(listener.address)}`)
  const command = trialOf(listener.address, files, trial)
  if (command !== undefined) log(`Test: ${command}`)
  const stopRenewing = files && renewAtHangup(listener, files, io, log)
  const exitCode = await untilStopped(listener, io)
  stopRenewing?.()
  return exitCode
}
