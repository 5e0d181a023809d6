import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

/** The command as it is installed, at work; `npm run build` makes it. */
export interface Command {
  readonly child: ChildProcess
  /** The exit code, or the signal. */
  readonly exit: Promise<number | string>
  /** All of stderr, once it has ended. */
  readonly printed: Promise<string>
  /** The port, once it listens. */
  readonly port: () => Promise<number>
}

/** Starts the command for the length of a test. */
export function bywash(t: Test, ...argv: string[]): Command {
  const child = spawn(process.execPath, ['dist/cli/bin.js', ...argv], {
    stdio: ['ignore', 'inherit', 'pipe'],
    // What runs is built; coverage is of lib/.
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit').then(([code, signal]) => code ?? signal)
  let logged = ''
  const stderr = child.stderr as NonNullable<typeof child.stderr>
  stderr.on('data', (chunk: Buffer) => {
    logged += chunk
    child.emit('logged')
  })
  return {
    child,
    exit,
    printed: text(stderr),
    async port() {
      for (;;) {
        const found = /:(\d+)\n/.exec(logged)?.[1]
        if (found !== undefined) return Number(found)
        await once(child, 'logged')
      }
    },
  }
}
