import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import type { Test } from 'tap'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'

/** The command as it is installed: `npm run build` makes it. */
export const BIN = 'dist/cli/bin.js'

/** Starts a program without what the test runner would put into it: its loader and its coverage. */
export const BARE = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']

/** The command in a process of its own. */
export interface StartedCommand {
  readonly child: ChildProcess
  /** Resolves with the exit code and the signal that ended it, when it has printed all. */
  readonly exited: Promise<unknown[]>
  /** What it has printed on stderr so far. */
  readonly log: () => string
  readonly printed: () => string
  /** Waits until the log matches, so many times; resolves with the last of them. */
  readonly logged: (pattern: RegExp, times?: number) => Promise<RegExpExecArray>
  /** How many sockets it has open, where the system says so. */
  readonly openSockets: () => number
}

interface StartOptions extends Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'> {
  /** A program with its arguments, which starts the command. */
  readonly through?: readonly string[]
  /** A module that each of its processes runs first. */
  readonly preload?: string
  /** Another Node. */
  readonly execPath?: string
  /** Whether it runs from lib/, so that what it and its workers do counts as covered. */
  readonly isCovered?: boolean
}

/** The descriptors of a process; none where it has ended, or the system does not say. */
function descriptorsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Starts the command; it is killed at the end of the test. */
export function startCommand(
  t: Test,
  argv: readonly string[],
  { through = [], preload, execPath = process.execPath, isCovered = false, ...options }: StartOptions = {},
): StartedCommand {
  const flags = preload === undefined ? [] : ['--import', preload]
  const bin = isCovered ? [...SCRIPT_FLAGS, scriptPath('lib/cli/bin')] : [BIN]
  // The coverage of another V8 has other ranges, which c8 would add to those of this one.
  const environment = isCovered && execPath === process.execPath ? [] : ['env', ...BARE]
  const [program = '', ...words] = [...through, ...environment, execPath, ...flags, ...bin, ...argv]
  const child = spawn(program, words, {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const events = new EventEmitter()
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', text => {
      texts[name] += text
      events.emit('text')
    })
  }
  const folder = `/proc/${child.pid}/fd`
  const isSocket = (name: string) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('socket:')
    } catch {
      // It was closed since the folder was read.
      return false
    }
  }
  return {
    child,
    exited: once(child, 'close'),
    log: () => texts.stderr,
    printed: () => texts.stdout,
    async logged(pattern, times = 1) {
      for (;;) {
        const match = [...texts.stderr.matchAll(new RegExp(pattern, 'g'))][times - 1]
        if (match !== undefined) return match
        await once(events, 'text')
      }
    },
    openSockets: () => descriptorsIn(folder).filter(isSocket).length,
  }
}

/** Starts a command that serves on a free port of 127.0.0.1; resolves when it listens. */
export async function serveCommand(
  t: Test,
  ...argv: readonly string[]
): Promise<StartedCommand & { readonly port: number }> {
  const started = startCommand(t, [...argv, '--host', '127.0.0.1', '--port', '0'])
  const [, port] = await started.logged(/ on 127\.0\.0\.1:(\d+)[\s\S]*Test: /)
  return { ...started, port: Number(port) }
}
