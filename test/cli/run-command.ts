import { main } from '../../lib/cli/main.js'
import { FakeIo } from './fake-io.js'

/** Runs a command that ends by itself, with all of its stdin. */
export async function runCommand(argv: readonly string[], input: string | Buffer = '', io = new FakeIo()) {
  io.stdin.end(input)
  const exitCode = await main(argv, io)
  return { exitCode, printed: io.printed, logged: io.logged }
}
