import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import type { Test } from 'tap'
import type { ListenOptions } from '../../lib/index.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import type { PipelineName } from './pipelines.js'
import type { Ended, Fault, FaultServer, Listening, Report } from './server.js'

const SCRIPT = scriptPath('test/faults/server-process')

/** Serves a pipeline in a process of its own, which ends with the test. */
export async function serveApart(
  t: Test,
  name: PipelineName,
  options: ListenOptions,
  {
    onEnded,
    onFault,
    onWarning,
    openFiles,
  }: Listening & {
    readonly onWarning: (message: string) => void
    /** The limit of open files of the process. */
    readonly openFiles: number | undefined
  },
): Promise<FaultServer> {
  const parameters = [name, JSON.stringify(options), ...(openFiles === undefined ? [] : [String(openFiles)])]
  const child = spawn(process.execPath, ['--expose-gc', ...SCRIPT_FLAGS, SCRIPT, ...parameters], {
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
