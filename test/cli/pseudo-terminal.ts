import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'

/** Why there is no pseudo-terminal here, as the reason to skip a test; false where there is one. */
export const NO_TERMINAL: string | false = spawnSync('script', ['--version'], {
  encoding: 'utf8',
}).stdout?.includes('util-linux')
  ? false
  : "needs 'script' of util-linux"

/** A shell command in a pseudo-terminal of 80 columns. */
export function inTerminal(t: Test, command: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn('script', ['-qefc', `stty cols 80; ${command}`, '/dev/null'], {
    // What runs here is built in dist/; coverage is of lib/.
    env: {
      PATH: process.env.PATH,
      TERM: 'xterm',
      SHELL: '/bin/sh',
      NODE_V8_COVERAGE: undefined,
      ...env,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'close').then(([code]) => code as number)
  let shown = ''
  let seen = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text.replaceAll('\u001b', '␛')
  })
  return {
    /** The exit code of the command. */
    exited,
    /** All that it has shown, with ␛ for the byte that begins an escape. */
    shown: () => shown,
    type: (keys: string) => void child.stdin.write(keys),
    /** Waits until it has shown something, behind what was waited for before. */
    async shows(pattern: RegExp): Promise<string> {
      for (;;) {
        const match = pattern.exec(shown.slice(seen))
        if (match !== null) {
          seen += match.index + match[0].length
          return match[0]
        }
        const [over] = await Promise.race([once(child.stdout, 'data'), exited.then(() => [undefined])])
        if (over === undefined) throw new Error(`over without ${pattern}: ${JSON.stringify(shown)}`)
      }
    },
  }
}
