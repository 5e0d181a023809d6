import { formatAddress } from '../address.js'
import type { Connection } from '../connection.js'
import type { BywashError } from '../errors.js'
import { listen } from '../listen.js'
import type { Pipeline } from '../pipeline.js'
import type { Preset } from '../presets/index.js'
import { printable } from '../printable.js'
import type { ListenerSettings } from './listener-flags.js'
import type { Io } from './main.js'
import { untilStopped } from './until-stopped.js'

const LOCAL = ['0.0.0.0', '127.0.0.1', '::', '::1']

/** Serves a pipeline until a signal comes; returns the exit code. */
export async function serve(
  pipelineFor: (log: (line: string) => void) => Pipeline<Buffer, Buffer>,
  { title, trial }: Pick<Preset, 'title' | 'trial'>,
  { listen: options, quiet }: ListenerSettings,
  io: Io,
): Promise<number> {
  const log = quiet ? () => {} : (line: string) => void io.stderr.write(`${line}\n`)
  const onError = (error: BywashError, { id }: Connection) =>
    void io.stderr.write(`[conn #${id}] ${printable(error.message)}\n`)
  const listener = await listen(pipelineFor(log), { ...options, onError })
  // A worker greets nobody, and its primary says when it ends.
  if (listener.worker !== undefined) return new Promise(() => {})
  const { address, port } = listener.address
  log(`${title} ${formatAddress(address, port)}`)
  log(`Test: ${trial(LOCAL.includes(address) ? 'localhost' : address, port)}`)
  return untilStopped(listener, io)
}
