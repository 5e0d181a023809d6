import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { ListenOptions } from '../../lib/index.js'
import type { PipelineName } from './pipelines.js'
import type { Ended, Fault, FaultServer, Listening, Report } from './server.js'

const SCRIPT = fileURLToPath(new URL('server-process.ts', import.meta.url))

/** Serves a pipeline in a process of its own, which ends with the test. */
export async function serveApart(
  t: Test,
  name: PipelineName,
  options: ListenOptions,
  {
    onEnded,
    onFault,
    onWarning,
    limits = [],
  }: Listening & {
    readonly onWarning: (message: string) => void
    /** A command in front of that of Node. */
    readonly limits?: readonly string[]
  },
): Promise<FaultServer> {
  const command = [
    ...limits,
    process.execPath,
    '--expose-gc',
    '--import=tsx',
    SCRIPT,
    name,
    JSON.stringify(options),
  ]
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Without the loaders and the coverage of the test.
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const answers = new EventEmitter()
  child.on('message', (message: { ended?: Ended; fault?: Fault; warning?: string }) => {
    if (message.ended !== undefined) onEnded(message.ended)
    else if (message.fault !== undefined) onFault(message.fault)
    else if (message.warning !== undefined) onWarning(message.warning)
    else for (const [name, value] of Object.entries(message)) answers.emit(name, value)
  })
  child.once('exit', (code, signal) => {
    if (code !== 0) answers.emit('error', new Error(`The server ended with ${code ?? signal}.`))
  })
  const answer = async (name: string): Promise<unknown> => (await once(answers, name))[0]
  const port = (await answer('port')) as number
  return {
    port,
    async report() {
      const answered = answer('report')
      child.send('report')
      return (await answered) as Report
    },
    async close() {
      const [exited, answered] = [once(child, 'exit'), answer('result')]
      child.send('close')
      const result = (await answered) as { forced: number }
      t.strictSame(await exited, [0, null], 'the process lived, and ended when it was asked to')
      return result
    },
  }
}
