import { setTimeout as delay } from 'node:timers/promises'
import {
  asyncMap,
  type Controller,
  exec,
  generate,
  lines,
  map,
  type Pipeline,
  pipeline,
  stage,
  toLines,
  upstream,
} from '../../lib/index.js'
import { jsonLines, toJsonLines } from '../../lib/stages/index.js'
import { misbehaving, mistaken } from './misbehaving.js'
import { throwing } from './throwing.js'

export const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
export const MIB = 1024 * 1024

/** The limit of a line in these tests, in bytes. */
export const MAX_LENGTH = 4096

const judging = (invalid: 'error' | 'report' | 'skip') =>
  pipeline()
    .through(lines())
    .through(map('quote', (line: string) => (line.startsWith('BYSTANDER') ? JSON.stringify(line) : line)))
    .through(jsonLines({ invalid }))
    .through(toJsonLines())
    .through(map('unquote', (line: string) => (line.startsWith('"BYSTANDER') ? JSON.parse(line) : line)))
    .through(toLines())

const PROGRAM = `
while IFS= read -r line; do
  case $line in
    hang) trap '' TERM; (sleep 1000; sleep 1000) & echo $$ $!; sleep 1000; sleep 1000;;
    flood) yes | head -c 20000000 >&2; echo done;;
    fail) exit 1;;
    leave) (trap '' TERM; echo $$ $(exec sh -c 'echo $PPID'); sleep 1000; sleep 1000) & exit;;
    *) printf '%s\\n' "$line";;
  esac
done`

/** What the servers of these tests serve; by name, so that a process of its own can serve it too. */
export const PIPELINES = {
  echo: () => pipeline(),
  lines: () =>
    pipeline()
      .through(lines({ maxLength: MAX_LENGTH }))
      .through(toLines()),
  /** Byte-exact, and a last line without a delimiter is dropped. */
  exact: () =>
    pipeline()
      .through(lines({ encoding: 'latin1', partial: 'drop' }))
      .through(toLines({ encoding: 'latin1' })),
  lf: () =>
    pipeline()
      .through(lines({ delimiter: '\n' }))
      .through(toLines()),
  skipping: () =>
    pipeline()
      .through(lines({ maxLength: MAX_LENGTH, overflow: 'skip' }))
      .through(toLines()),
  late: () =>
    pipeline()
      .through(lines())
      .through(asyncMap('late', async line => delay(10, line), { concurrency: 100 }))
      .through(toLines()),
  /** Answers the line `large` with 64 MiB more than was asked for. */
  large: () =>
    pipeline()
      .through(lines())
      .through(toLines())
      .through(
        map(
          'large',
          (chunk: Buffer): Buffer => (chunk.toString() === 'large\n' ? Buffer.alloc(64 * MIB) : chunk),
          BYTES,
        ),
      ),
  /** Answers each line; `push N` pushes N bytes of lines to all other connections that have said `join`. */
  room: () => pipeline().through(lines()).through(room()).through(toLines()),
  /** JSON is echoed, and so is what a bystander says. A line that is not allowed ends the connection, or does not. */
  judging: () => judging('error'),
  reporting: () => judging('report'),
  ignoring: () => judging('skip'),
  /** Passes connections on to the server of `servedBy`. */
  proxied: () => pipeline().through(upstream(servedBy.address)),
  /** Echoes lines, by a program that can be told to behave badly. */
  executed: () => pipeline().through(exec('sh', ['-c', PROGRAM])),
  generating: () => pipeline().through(lines()).through(generating).through(toLines()),
  throwing: () => pipeline().through(lines()).through(throwing).through(toLines()),
  mistaken: () => pipeline().through(lines()).through(mistaken).through(toLines()),
  misbehaving: () => pipeline().through(lines()).through(misbehaving).through(toLines()),
} satisfies Record<string, () => Pipeline<Buffer, Buffer>>

/** The server behind `proxied`; a test sets its address before it serves. */
export const servedBy = { address: '127.0.0.1:1' }

/** Counts how often the generators of `generating` have run their `finally`. */
export const finished = { count: 0 }

/** Answers each line, until one tells it to behave badly. */
const generating = generate('generating', async function* (items) {
  let isStubborn = false
  try {
    for await (const line of items) {
      yield line
      if (line === 'waits') await new Promise(() => {})
      if (line === 'goes on') for (;;) yield await delay(0, line)
      isStubborn ||= line === 'stubborn'
    }
  } finally {
    finished.count++
    while (isStubborn) yield 'it does not return'
  }
})

/** A stage that knows the connections of its list. */
function room() {
  const members = new Set<Controller<string>>()
  async function push(bytes: number, from: Controller<string>) {
    for (let pushed = 0; pushed < bytes; pushed += 65_536) {
      const line = 'x'.repeat(1_023)
      for (const member of members) {
        if (member !== from) for (let count = 0; count < 64; count++) member.enqueue(line)
      }
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return stage<string, string>({
    name: 'room',
    accepts: 'line',
    emits: 'line',
    open: () => {
      let joined: Controller<string> | undefined
      return {
        transform: (line, controller) => {
          if (line === 'join') {
            joined = controller
            members.add(controller)
          }
          if (line.startsWith('push ')) void push(Number(line.slice(5)), controller)
          else controller.enqueue(line)
        },
        close: () => {
          if (joined !== undefined) members.delete(joined)
        },
      }
    },
  })
}

export type PipelineName = keyof typeof PIPELINES

/** Counts the connections that a pipeline has opened and closed; behind it, since the last stage is opened first. */
export function counted(served: Pipeline<Buffer, Buffer>) {
  const counts = { opened: 0, closed: 0 }
  const count = stage<Buffer, Buffer>({
    name: 'count',
    ...BYTES,
    open: () => {
      counts.opened++
      return { close: () => void counts.closed++ }
    },
  })
  return { counts, pipeline: served.through(count) }
}
