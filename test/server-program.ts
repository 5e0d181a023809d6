import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, connect as dial } from 'node:net'
import type { Test } from 'tap'

/** Leaves the processor to other programs before something is looked at again. */
export const pause = () => new Promise(resolve => setTimeout(resolve, 5))

/** A port of 127.0.0.1 that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when somebody listens at a port. */
async function whenUp(port: number): Promise<void> {
  for (;;) {
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

/** Starts a server that nobody here wrote; resolves when it listens. It is killed at the end of the test. */
export async function startServer(
  t: Test,
  port: number,
  program: string,
  parameters: readonly string[],
): Promise<ChildProcess> {
  const server = spawn(program, parameters, { stdio: 'ignore' })
  t.teardown(() => kill(server))
  await whenUp(port)
  return server
}

/** The parameters of redis-server on a port. */
export const redisParameters = (port: number) => [
  ...['--bind', '127.0.0.1', '--port', String(port), '--save', ''],
]
