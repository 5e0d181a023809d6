import { formatAddress } from '../address.js'
import { listen } from '../listen.js'
import type { Listener } from '../listener.js'
import type { Preset } from '../presets/index.js'
import type { Io } from './main.js'
import type { PresetFlags } from './preset-command.js'

const LOCAL = ['0.0.0.0', '127.0.0.1', '::', '::1']

/** Serves a preset until a signal comes; returns the exit code. */
export async function serve(preset: Preset, flags: PresetFlags, io: Io): Promise<number> {
  const { host, port, plan, shutdownTimeout, quiet = false, banner, ...options } = flags
  const log = quiet ? () => {} : (line: string) => void io.stderr.write(`${line}\n`)
  const pipeline = preset.pipeline({
    ...options,
    ...(banner === undefined ? {} : { banner: banner === '' ? '' : `${banner}\n` }),
    log,
  })
  const listener = await listen(pipeline, { host, port, plan, shutdownTimeout })
  const { address, port: boundPort } = listener.address
  log(`${preset.title} ${formatAddress(address, boundPort)}`)
  log(`Test: ${preset.trial(LOCAL.includes(address) ? 'localhost' : address, boundPort)}`)
  return untilStopped(listener, io)
}

/** Closes the listener at the first signal; at the second, without waiting for its connections. */
function untilStopped(listener: Listener, io: Io): Promise<number> {
  return new Promise(resolve => {
    let exitCode: number | undefined
    const stop = async () => {
      if (exitCode === undefined) {
        exitCode = 0
        await listener.close()
      } else {
        exitCode = 1
        await listener.close({ timeout: 0 })
      }
      io.off('SIGINT', stop)
      io.off('SIGTERM', stop)
      resolve(exitCode)
    }
    io.on('SIGINT', stop)
    io.on('SIGTERM', stop)
  })
}
