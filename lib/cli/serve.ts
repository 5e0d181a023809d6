import { formatBound } from '../address.js'
import { listen } from '../listen.js'
import type { Pipeline } from '../pipeline.js'
import type { Preset } from '../presets/index.js'
import type { ListenerSettings } from './listener-flags.js'
import { openLog } from './log.js'
import type { Io } from './main.js'
import { untilStopped } from './until-stopped.js'

const LOCAL = ['0.0.0.0', '127.0.0.1', '::', '::1']

/** Serves a pipeline until a signal comes; returns the exit code. */
export async function serve(
  pipelineFor: (log: (line: string) => void) => Pipeline<Buffer, Buffer>,
  { title, trial }: Pick<Preset, 'title' | 'trial'>,
  { listen: options, log: settings }: ListenerSettings,
  io: Io,
): Promise<number> {
  const log = await openLog(settings, io.stderr)
  const listener = await listen(pipelineFor(log.info), { ...options, ...log.connections() })
  // A worker greets nobody, and its primary says when it ends.
  if (listener.worker !== undefined) return new Promise(() => {})
  const { address, port } = listener.address
  log.info(`${title} ${formatBound(listener.address)}`)
  log.info(`Test: ${trial(LOCAL.includes(address) ? 'localhost' : address, port)}`)
  return untilStopped(listener, io)
}
