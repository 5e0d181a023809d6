import { flushed } from './log/flushed.js'
import { main } from './main.js'

/** Runs the command line of this process, and exits. */
export async function start(): Promise<never> {
  const exitCode = await main(process.argv.slice(2), process)
  await flushed(process.stderr)
  // A timer that a stage left running would keep the process alive.
  return process.exit(exitCode)
}
