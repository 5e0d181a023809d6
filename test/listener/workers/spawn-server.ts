import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { ListenOptions, Status, TlsOptions } from '../../../lib/index.js'

/** The Node that runs a server. */
interface NodeOptions {
  readonly execPath?: string
  readonly execArgv?: readonly string[]
}

/** What a test asks of a server. */
interface ServerOptions extends ListenOptions {
  readonly workers:
    | number
    | { readonly count: number; readonly spread: 'kernel'; readonly maxHeapSize?: number }
  /** How many listeners there are. @default 1 */
  readonly listeners?: number
  /** All connections hear what one of them sends. */
  readonly room?: boolean
  /** Time stands still, but for what the test says. */
  readonly fakeTime?: boolean
}

/** What a test can tell a server's primary. */
type Command =
  | { readonly do: 'close'; readonly timeout?: number }
  | { readonly do: 'advance'; readonly milliseconds: number }
  | { readonly do: 'secure'; readonly tls: TlsOptions }
  | { readonly do: 'suspend' | 'resume' | 'replace' | 'count' | 'status' }

/** What a process of a server says, a line of JSON at a time. */
export interface Said {
  readonly worker?: number
  readonly pid?: number
  readonly ports?: readonly number[]
  readonly outcome?: string
  readonly id?: number
  readonly error?: string
  readonly address?: string
  readonly status?: Status
  readonly did?: Command['do']
  readonly failure?: string
  readonly forced?: number
  readonly connections?: number
  readonly refused?: number
  readonly blocked?: number
  readonly opened?: number
  readonly closed?: number
  readonly total?: number
}

/** A server with workers, as a process. */
export interface SpawnedServer {
  readonly primary: ChildProcess
  readonly said: readonly Said[]
  readonly errors: () => string
  /** Resolves with the first that is said, before or later, and fits; `count` waits for so many. */
  readonly heard: (fits: (said: Said) => boolean, count?: number) => Promise<readonly Said[]>
  /** The processes or threads of the workers that have said that they are up. */
  readonly workers: () => readonly number[]
  readonly port: number
  readonly ports: readonly number[]
  /** Tells the primary something, and resolves with what came of it. */
  readonly tell: (command: Command) => Promise<Said>
  /** Resolves with the exit code or the signal, when nobody holds its output any more: no worker either. */
  readonly ended: Promise<number | string>
}

/** Starts test/listener/workers/server.js; resolves when its primary and all workers are up. */
export async function spawnServer(
  t: Test,
  options: ServerOptions,
  node: NodeOptions = {},
): Promise<SpawnedServer> {
  const server = startServer(t, 'test/listener/workers/server.js', [JSON.stringify(options)], node)
  const [up] = await server.heard(({ worker }) => worker === 0)
  const { workers } = options
  await server.heard(({ worker = 0 }) => worker > 0, typeof workers === 'number' ? workers : workers.count)
  const ports = up?.ports ?? []
  return { ...server, ports, port: ports[0] ?? 0 }
}

/** Starts a script, and collects what it says. */
export function startServer(
  t: Test,
  script: string,
  args: readonly string[] = [],
  { execPath = process.execPath, execArgv = [] }: NodeOptions = {},
): Omit<SpawnedServer, 'port' | 'ports'> {
  const primary = fork(script, args, {
    execPath,
    execArgv: [...execArgv],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
  })
  t.teardown(() => primary.kill('SIGKILL'))
  const said: Said[] = []
  const events = new EventEmitter().setMaxListeners(0)
  let errors = ''
  primary.stderr?.on('data', chunk => {
    errors += chunk
  })
  createInterface({ input: primary.stdout as NodeJS.ReadableStream }).on('line', line => {
    said.push(JSON.parse(line))
    events.emit('said')
  })
  const ended = once(primary, 'close').then(([code, signal]): number | string => code ?? signal)
  const heard: SpawnedServer['heard'] = async (fits, count = 1) => {
    const over = ended.then(how => {
      throw new Error(`The server ended (${how}) before it said that: ${errors}`)
    })
    const found: Said[] = []
    for (let next = 0; ; next++) {
      while (next === said.length) await Promise.race([once(events, 'said'), over])
      const one = said[next] as Said
      if (fits(one) && found.push(one) >= count) {
        over.catch(() => {})
        return found
      }
    }
  }
  return {
    primary,
    said,
    errors: () => errors,
    heard,
    ended,
    workers: () => said.filter(({ worker = 0 }) => worker > 0).map(({ pid = 0 }) => pid),
    async tell(command) {
      const before = said.filter(({ did }) => did === command.do).length
      primary.send(command)
      const all = await heard(({ did }) => did === command.do, before + 1)
      return all.at(-1) as Said
    },
  }
}

/** A greeting, read: the process or the thread that serves, and the number. */
export function readGreeting(greeting: Buffer): { readonly pid: number; readonly id: number } {
  const [pid, id] = greeting.toString().split(' ').map(Number)
  return { pid: pid ?? 0, id: id ?? 0 }
}
