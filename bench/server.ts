import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/free-port.js'
import { startChild, stopChild } from './children.js'
import { keepOn } from './cores.js'
import type { Target } from './load/job.js'
import { nodeCommand } from './node-command.js'
import type { ServerEntry } from './server-list.js'
import type { Memory } from './servers/report.js'

const START_TIMEOUT_MS = 20_000

/** Environment variables and Node flags that a server is started with. */
export interface Conditions {
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
}

/** A running server, in a process of its own. */
export class Server {
  readonly entry: ServerEntry
  readonly target: Target
  readonly #child: ChildProcess

  private constructor(entry: ServerEntry, child: ChildProcess, port: number) {
    const { greeting, upper, prefixed, command } = entry
    this.entry = entry
    this.#child = child
    const { pid = 0 } = child
    // A foreign server may fork. It leads a group of processes.
    this.target = { port, pid: command === undefined ? pid : -pid, greeting, upper, prefixed }
  }

  static async start(entry: ServerEntry, { env, flags }: Conditions): Promise<Server> {
    const { name, command, file = name } = entry
    const givenPort = command === undefined ? 0 : await freePort()
    const program =
      command?.(givenPort, env?.BENCH_UPSTREAM ?? '') ?? nodeCommand(`servers/${file}.ts`, flags)
    const child = startChild(program, command === undefined, { ...env, ...entry.env })
    const over = new AbortController()
    const { signal } = over
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`${name}: the server ended with exit code ${code} before it listened`)
    })
    const late = delay(START_TIMEOUT_MS, undefined, { signal }).then(() => {
      throw new Error(`${name}: the server did not listen within ${START_TIMEOUT_MS / 1e3} s`)
    })
    const listening = command === undefined ? printedPort(child) : untilListening(givenPort, signal)
    const port = await Promise.race([listening, ended, late]).finally(() => over.abort())
    const isUpper = entry.answers === 'unknown' && (await shouts(port))
    return new Server(isUpper ? { ...entry, upper: true } : entry, child, port)
  }

  keepOn(core: number): void {
    if (this.#child.pid !== undefined) keepOn(core, this.#child.pid)
  }

  /** Asks the server for the memory that it holds after a full garbage collection. */
  async memory(): Promise<Memory> {
    this.#child.send('memory')
    const [memory] = await once(this.#child, 'message')
    return memory as Memory
  }

  stop(): void {
    stopChild(this.#child)
  }
}

async function printedPort({ stdout }: ChildProcess): Promise<number> {
  if (stdout === null) throw new Error('unreachable: the server has no stdout')
  const [line] = await once(createInterface(stdout), 'line')
  return Number(line)
}

/** Whether a server answers in upper case. */
async function shouts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.write('a\n')
  const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(START_TIMEOUT_MS) })
  socket.destroy()
  return String(answer).startsWith('A')
}

async function untilListening(port: number, signal: AbortSignal): Promise<number> {
  for (;;) {
    signal.throwIfAborted()
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return port
    } catch {
      await delay(20)
    } finally {
      socket.destroy()
    }
  }
}
