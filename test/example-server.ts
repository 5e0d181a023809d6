import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { SCRIPT_FLAGS, scriptPath } from './script-path.js'

/** The environment of an example: it runs what is built in dist/, and coverage is of lib/. */
export const exampleEnvironment: NodeJS.ProcessEnv = { ...process.env, NODE_V8_COVERAGE: undefined }

/** An example that is running, and what it writes, line by line. */
export interface Server {
  readonly port: number
  /** The next line of stderr. */
  readonly line: () => Promise<string>
  /** The next line of stdout. */
  readonly outputLine: () => Promise<string>
  readonly stop: () => Promise<unknown>
}

/** The file of an example that is run: the suite has compiled them all. */
export const compiledExample = (example: string) => scriptPath(`examples/${example.replace(/\.ts$/, '')}`)

/** Starts an example on a port of the system's choice. */
export function startExample(t: Test, example: string, firstLine: string): Promise<Server> {
  return serve(t, [...SCRIPT_FLAGS, compiledExample(example), '0', '127.0.0.1'], firstLine)
}

/** Starts a server and waits for its first line, which ends in the address. */
export async function serve(
  t: Test,
  parameters: readonly string[],
  firstLine: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Server> {
  const child = spawn(process.execPath, parameters, {
    cwd: pathToFileURL('./'),
    env: { ...exampleEnvironment, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    const [code, signal] = await exited
    return code ?? signal
  }
  t.teardown(stop)
  const [output, errors] = [child.stdout, child.stderr].map(input =>
    createInterface({ input })[Symbol.asyncIterator](),
  )
  const line = async () => (await errors?.next())?.value as string
  const outputLine = async () => (await output?.next())?.value as string
  const first = String(await line())
  const port = Number(first.split(':').at(-1))
  t.equal(first, `${firstLine} 127.0.0.1:${port}`, 'says where it listens')
  return { port, line, outputLine, stop }
}
