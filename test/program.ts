import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'

/** The reason for skipping a test when one of its programs is not installed; false when they all are. */
export function missing(...programs: string[]): string | false {
  const missed = programs.find(program => spawnSync(program, ['--version']).error !== undefined)
  return missed === undefined ? false : `${missed} is not installed`
}

/** A program may end without reading its input. */
const ignoreBrokenPipe = () => {}

/** How a program has ended. */
export interface Ended {
  readonly code: number | null
  readonly output: Buffer
  readonly errors: string
}

/** Gives a program its input and FIN, and resolves with all that it printed. */
export async function run(
  t: Test,
  input: string | Buffer,
  program: string,
  ...parameters: string[]
): Promise<Ended> {
  const child = spawn(program, parameters)
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', ignoreBrokenPipe).end(input)
  const [output, errors, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close'),
  ])
  return { code, output, errors: String(errors) }
}

/** A program that is running. */
export interface Running {
  readonly child: ChildProcess
  readonly type: (text: string) => void
  /** The next line that it prints; undefined at the end. */
  readonly line: () => Promise<string | undefined>
  /** Ends its input, and resolves with its exit code. */
  readonly end: () => Promise<number | null>
}

/** Starts a program that is talked to line by line. */
export function begin(t: Test, program: string, ...parameters: string[]): Running {
  const child = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'ignore'] })
  const closed = once(child, 'close')
  t.teardown(() => child.kill('SIGKILL'))
  child.stdin.on('error', ignoreBrokenPipe)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    type: text => void child.stdin.write(text),
    line: async () => (await lines.next()).value,
    end: async () => {
      child.stdin.end()
      return (await closed)[0]
    },
  }
}
