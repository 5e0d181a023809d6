import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import type { Test } from 'tap'

/** Leaves the processor to other programs before something is looked at again. */
export const pause = () => new Promise(resolve => setTimeout(resolve, 5))

/** Resolves when somebody listens at a port, unless it is too late. */
async function whenUp(port: number, late: AbortSignal): Promise<void> {
  while (!late.aborted) {
    const socket = dial(port, '127.0.0.1')
    const isUp = await new Promise(resolve => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    })
    socket.destroy()
    await once(socket, 'close')
    if (isUp) return
    await pause()
  }
}

export async function kill(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGKILL')
  await exit
}

/** Stops a server without its knowledge. On a busy machine other threads of it go on until one has taken the signal. */
export async function freeze(server: ChildProcess): Promise<void> {
  server.kill('SIGSTOP')
  const tasks = `/proc/${server.pid}/task`
  const isStopped = (task: string) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'))
  // Only Linux tells.
  while (existsSync(tasks) && !readdirSync(tasks).every(isStopped)) await pause()
}

/**
 * Starts a server that nobody here wrote; resolves when it listens, and rejects when it ends instead. It is killed at the end of the
 * test.
 */
export async function startServer(
  t: Test,
  port: number,
  program: string,
  parameters: readonly string[],
): Promise<ChildProcess> {
  const server = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => kill(server))
  let said = ''
  for (const stream of [server.stdout, server.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000)
    })
  }
  const late = new AbortController()
  const ended = once(server, 'close', { signal: late.signal }).then(([code, signal]) => {
    throw new Error(`${program} ended with ${code ?? signal} before it listened at ${port}:\n${said}`)
  })
  await Promise.race([whenUp(port, late.signal), ended]).finally(() => late.abort())
  return server
}

/** The parameters of redis-server on a port. */
export const redisParameters = (port: number) => [
  ...['--bind', '127.0.0.1', '--port', String(port), '--save', ''],
]
