import { once } from 'node:events'
import type { Test } from 'tap'
import { main } from '../../lib/cli/main.js'
import { FakeIo } from './fake-io.js'

/** Runs a command that serves, for the length of a test; resolves when it does. */
export async function serveInProcess(t: Test, argv: readonly string[], folder = process.cwd()) {
  const io = new FakeIo()
  io.folder = folder
  const exited = main(argv, io)
  t.teardown(async () => {
    io.emit('SIGTERM')
    io.emit('SIGTERM')
    await exited
  })
  const logged = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(io.logged)
      if (match !== null) return match
      await once(io, 'logged')
    }
  }
  const [, port] = await logged(/ on (?:\S+:)?(\S+)\nTest: .+\n/)
  return { io, exited, logged, port: Number(port) }
}
