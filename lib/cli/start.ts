import { flushed } from './log/flushed.js'
import { main } from './main.js'

/** Runs the command line of this process; resolves with its exit code when its log has been written. */
export async function start(): Promise<number> {
  const exitCode = await main(process.argv.slice(2), process)
  await flushed(process.stderr)
  return exitCode
}
