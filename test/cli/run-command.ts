import { main } from '../../lib/cli/main.js'
import { FakeIo } from './fake-io.js'

/** Runs a command that ends by itself; `setUp` may change what it meets. */
export async function runCommand(argv: readonly string[], setUp: (io: FakeIo) => void = () => {}) {
  const io = new FakeIo()
  setUp(io)
  const exitCode = await main(argv, io)
  return { exitCode, printed: io.printed, logged: io.logged }
}
