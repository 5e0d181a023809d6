import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Format } from './load/tape.js'

/** A server of the benchmark, and the answers that it must give. */
export interface ServerEntry extends Format {
  readonly name: string
  readonly summary: string
  readonly greeting: string
  /** Given where nobody has said how the server answers. */
  readonly answers?: 'unknown'
  /** Returns the command that starts a foreign program on a port, in front of another. Undefined for a file of servers/. */
  readonly command?: (port: number, upstream: string) => readonly string[]
  /** The program of the command, where it is not the name. */
  readonly program?: string
  /** The file of servers/, where its name is not that of the server. */
  readonly file?: string
  readonly env?: Readonly<Record<string, string>>
}

const GREETING = 'Type a line and press Enter. I will shout it back.\n'
const echo = { greeting: '', upper: false, prefixed: false }
const upper = { ...echo, upper: true }
const prefixed = { ...echo, prefixed: true }

/** The servers that can run on this machine. All figures are compared with those of the first, `raw`. */
export function serverList(quick: boolean): readonly ServerEntry[] {
  return [
    { ...echo, name: 'raw', summary: 'an echo by hand on node:net' },
    { ...upper, name: 'naive', summary: 'stream.pipeline of through2, split2, through2' },
    { ...echo, name: 'echo', summary: 'preset' },
    { ...upper, name: 'uppercase', summary: 'preset', greeting: GREETING },
    { ...upper, name: 'map', summary: 'lines, map(own function), toLines' },
    { ...upper, name: 'map8', summary: 'the same with 8 map stages' },
    { ...upper, name: 'async', summary: 'lines, asyncMap(own function, 8 at a time), toLines' },
    { ...upper, name: 'async-one', summary: 'lines, map(own async function), toLines' },
    { ...upper, name: 'generate', summary: 'lines, generate(own generator), toLines' },
    { ...upper, name: 'async-hand', summary: 'the work of async by hand on node:net' },
    { ...upper, name: 'async-naive', summary: 'stream.pipeline of split2 and an async through2' },
    { ...echo, name: 'delimited', summary: 'delimited, toDelimited' },
    { ...echo, name: 'fixed', summary: 'fixedLength(64), toFixedLength(64)' },
    { ...echo, name: 'fixed-hand', summary: 'the work of fixed by hand on node:net' },
    { ...prefixed, name: 'length2', summary: 'lengthPrefixed and toLengthPrefixed with 2 bytes' },
    { ...prefixed, name: 'length2-hand', summary: 'the work of length2 by hand on node:net' },
    { ...echo, name: 'push-hand', summary: 'pushes: for (const s of sockets) s.write(buffer)' },
    { ...echo, name: 'push', summary: 'pushes: lines, a stage that enqueues for all, toLines' },
    { ...echo, name: 'proxy-hand', summary: 'a proxy: a.pipe(b).pipe(a)' },
    { ...echo, name: 'proxy', summary: 'a proxy: upstream' },
    ...(quick ? [] : [streams]),
    ...others.filter(({ name, program = name }) => installed(program)),
  ]
}

const streams: ServerEntry = {
  ...upper,
  name: 'streams',
  summary: "uppercase on plan 'streams'",
  greeting: GREETING,
}

const others: readonly ServerEntry[] = [
  {
    ...echo,
    name: 'socat',
    summary: 'a process for each connection',
    command: port => [
      ...['socat', '-t', '10', '-lf', '/dev/null'],
      ...[`TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=65535`, 'PIPE'],
    ],
  },
  {
    ...echo,
    name: 'ncat',
    summary: 'with cat, a process for each connection',
    command: port => ['ncat', '--listen', '--keep-open', '--exec', '/bin/cat', '127.0.0.1', String(port)],
  },
  {
    ...echo,
    name: 'proxy-socat',
    summary: 'a proxy: a process for each connection',
    program: 'socat',
    command: (port, upstream) => [
      ...['socat', '-t', '10', '-lf', '/dev/null'],
      `TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog=65535`,
      `TCP:127.0.0.1:${upstream},nodelay`,
    ],
  },
  {
    ...echo,
    name: 'proxy-haproxy',
    summary: 'a proxy: mode tcp, one thread',
    program: 'haproxy',
    command: (port, upstream) => [
      ...['env', `BENCH_PORT=${port}`, `BENCH_UPSTREAM=${upstream}`],
      ...['haproxy', '-db', '-q', '-f', fileURLToPath(new URL('haproxy.cfg', import.meta.url))],
    ],
  },
]

/**
 * A server in any language, which a shell starts with its port in `PORT`. It must echo lines, or answer them in upper case:
 * which of them, is found out.
 *
 * @param text - `name=command`.
 * @throws TypeError for a text that is not of this form, or the name of a server that there is.
 */
export function givenServer(text: string): ServerEntry {
  const [, name, command] = /^([\w.-]+)=(.+)$/s.exec(text) ?? []
  if (name === undefined || command === undefined) {
    throw new TypeError(`--server '${text}' is not of the form 'name=command', such as 'go=./echo $PORT'.`)
  }
  if (serverList(false).some(server => server.name === name)) {
    throw new TypeError(`--server '${text}': there is a server '${name}' already.`)
  }
  return {
    ...echo,
    name,
    summary: command,
    answers: 'unknown',
    command: port => ['env', `PORT=${port}`, 'sh', '-c', `exec ${command}`],
  }
}

function installed(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
