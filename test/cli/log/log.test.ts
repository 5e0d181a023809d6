import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type LogSettings, openLog } from '../../../lib/cli/log/log.js'
import { Connection, type ConnectionFigures, countWith } from '../../../lib/connection.js'
import { InvalidFrameError, type Outcome, RefusedError, StageError } from '../../../lib/index.js'
import { ANY_CHARACTER } from '../../any-character.js'

const ADDRESS = { remoteAddress: '127.0.0.1', remotePort: 53012 }
const ENDED: Outcome = { reason: 'end', error: undefined, bytesRead: 6, bytesWritten: 1, duration: 12 }

/** A log, and the lines that it has written. */
async function open(settings: Partial<LogSettings>) {
  const stream = new PassThrough({ encoding: 'utf8' })
  const log = await openLog({ format: undefined, quiet: false, ...settings }, stream)
  const text = () => String(stream.read() ?? '')
  return { log, text, lines: () => text().split('\n').slice(0, -1) }
}

/** Says what can be said: of a connection of each sort, and of the command. */
async function sayAll(settings: Partial<LogSettings>, listener?: string) {
  const { log, lines } = await open(settings)
  const { onOpen, onOutcome, onError } = log.connections(listener)
  log.info('listening')
  log.error('uncaught: boom')
  const good = new Connection(1, ADDRESS)
  onOpen?.(good)
  onError?.(new InvalidFrameError('jsonLines', 'no JSON'), good)
  onOutcome?.(ENDED, good)
  const failed = new Connection(2, { remoteAddress: '::1', remotePort: 1 })
  const failure = new StageError('shout', 'failed in transform: boom')
  onError?.(failure, failed)
  onOutcome?.({ ...ENDED, reason: 'stage-error', error: failure }, failed)
  onError?.(new StageError('shout', 'enqueued after its end.'), failed)
  const error = new RefusedError(
    "There were 2 connections already ('maxConnections').",
    '',
    'max-connections',
  )
  onOutcome?.({ ...ENDED, reason: 'refused', error }, new Connection(0, ADDRESS))
  onOutcome?.({ ...ENDED, reason: 'client-reset', bytesRead: 0 }, new Connection(3))
  return lines()
}

const INFO = 'listening'
const ERROR = 'uncaught: boom'
const OPENED = '[conn #1] opened: 127.0.0.1:53012'
const FAULT = "[conn #1] fault: 127.0.0.1:53012: Stage 'jsonLines' received an invalid frame: no JSON."
const CLOSED = '[conn #1] closed: end, 127.0.0.1:53012, 6 bytes in, 1 byte out, 12 ms'
const FAILED =
  "[conn #2] closed: stage-error, [::1]:1, 6 bytes in, 1 byte out, 12 ms: Stage 'shout' failed in transform: boom"
const LATE = "[conn #2] fault: [::1]:1: Stage 'shout' enqueued after its end."
const REFUSED =
  "[conn] refused: 127.0.0.1:53012, 6 bytes in, 1 byte out, 12 ms: There were 2 connections already ('maxConnections')."
const RESET = '[conn #3] closed: client-reset, 0 bytes in, 1 byte out, 12 ms'

const COUNTED =
  '[conn #4] closed: end, 127.0.0.1:53012, 6 bytes in, 1 byte out, 12 ms, 1 item in, 4 items out, held at most 131206 bytes, slowest: lookup 93 %'
const COUNTED_QUICK =
  '[conn #5] closed: end, 127.0.0.1:53012, 6 bytes in, 1 byte out, 12 ms, 2 items in, 4 items out'

t.test('text logs every connection: one line when it opens, one with the reason when it ends', async t => {
  t.strictSame(await sayAll({ format: 'text' }), [
    INFO,
    ERROR,
    OPENED,
    FAULT,
    CLOSED,
    FAILED,
    LATE,
    REFUSED,
    RESET,
  ])
})

t.test('docs/operations.md shows each entry as it is written', async t => {
  const page = readFileSync('docs/operations.md', 'utf8')
  for (const line of [OPENED, FAULT, CLOSED, FAILED, REFUSED, RESET]) t.ok(page.includes(`\n${line}\n`), line)
  const shown = [...page.matchAll(/^\{.*\}$/gm)].map(([line]) => JSON.parse(line))
  const written = (await sayAll({ format: 'json' })).map(line => JSON.parse(line))
  for (const entry of shown) {
    const { time, pid } = entry
    t.ok(
      written.some(other => isDeepStrictEqual({ ...other, time, pid }, entry)),
      JSON.stringify(entry),
    )
  }
})

t.test('without a format, connections are logged that did not end well', async t => {
  t.strictSame(await sayAll({}), [INFO, ERROR, FAULT, FAILED, LATE, REFUSED])
})

t.test('quiet logs errors only, and silent nothing', async t => {
  t.strictSame(await sayAll({ quiet: true }), [ERROR, FAILED, LATE])
  t.strictSame(await sayAll({ format: 'text', quiet: true }), [ERROR, FAILED, LATE])
  t.strictSame(await sayAll({ format: 'silent' }), [])
  t.strictSame(await sayAll({ format: 'silent', quiet: true }), [])
})

t.test('the name of a listener stands for conn', async t => {
  const lines = await sayAll({ format: 'text' }, 'shout')
  t.strictSame(
    lines.slice(2, 5),
    [OPENED, FAULT, CLOSED].map(line => line.replace('conn', 'shout')),
  )
  for (const line of (await sayAll({ format: 'json' }, 'shout')).slice(2)) {
    t.equal(JSON.parse(line).listener, 'shout')
  }
})

t.test('json logs the same, an object a line', async t => {
  const lines = (await sayAll({ format: 'json' })).map(line => JSON.parse(line))
  for (const { pid, time } of lines) {
    t.equal(pid, process.pid)
    t.equal(new Date(time).toISOString(), time)
  }
  const facts = { bytesRead: 6, bytesWritten: 1, duration: 12 }
  const address = '127.0.0.1:53012'
  t.strictSame(
    lines.map(({ pid, time, ...rest }) => rest),
    [
      { level: 'info', msg: INFO },
      { level: 'error', msg: ERROR },
      { level: 'info', event: 'opened', id: 1, address },
      {
        level: 'warn',
        event: 'fault',
        id: 1,
        address,
        msg: "Stage 'jsonLines' received an invalid frame: no JSON.",
      },
      { level: 'info', event: 'closed', id: 1, address, reason: 'end', ...facts },
      {
        level: 'error',
        event: 'closed',
        id: 2,
        address: '[::1]:1',
        reason: 'stage-error',
        ...facts,
        msg: "Stage 'shout' failed in transform: boom",
      },
      {
        level: 'error',
        event: 'fault',
        id: 2,
        address: '[::1]:1',
        msg: "Stage 'shout' enqueued after its end.",
      },
      {
        level: 'warn',
        event: 'refused',
        address,
        reason: 'refused',
        ...facts,
        msg: "There were 2 connections already ('maxConnections').",
      },
      { level: 'info', event: 'closed', id: 3, reason: 'client-reset', ...facts, bytesRead: 0 },
    ],
  )
})

t.test('each reason has its level: the good ends, the client’s faults, and ours', async t => {
  const { log, lines } = await open({ format: 'json' })
  const { onOutcome } = log.connections()
  const levels = {
    info: ['end', 'terminated', 'client-reset', 'shutdown'],
    warn: [
      'frame-too-long',
      'invalid-frame',
      'invalid-utf8',
      'idle-timeout',
      'frame-timeout',
      'drain-timeout',
      'half-close-timeout',
      'refused',
    ],
    error: ['stage-error', 'worker-died'],
  } as const
  for (const [level, reasons] of Object.entries(levels)) {
    for (const reason of reasons) {
      onOutcome?.({ ...ENDED, reason }, new Connection(1))
      t.match(JSON.parse(lines()[0] ?? ''), { level, reason })
    }
  }
})

t.test(
  'whatever a client sends, an entry is one line of 0x20 to 0x7e; as JSON it can be read back',
  async () => {
    const anything = fc.oneof(
      fc.string({ unit: ANY_CHARACTER }),
      fc.string({
        unit: fc.constantFrom('\n', '\r', '"', '\\', '}', '%s', '\x1b[2J', '\x9b', '\u202e', '\ud800'),
      }),
    )
    for (const format of ['text', 'json'] as const) {
      const { log, text } = await open({ format })
      const { onOutcome, onError } = log.connections()
      fc.assert(
        fc.property(anything, message => {
          const connection = new Connection(7, ADDRESS)
          log.info(message)
          onError?.(new InvalidFrameError('s', message), connection)
          onOutcome?.({ ...ENDED, reason: 'stage-error', error: new StageError('s', message) }, connection)
          const written = text()
          const lines = written.split('\n')
          if (lines.length !== 4 || !/^[\n -~]*$/.test(written)) throw new Error(JSON.stringify(written))
          if (format === 'text') return
          const told = [message, `Stage 's' received an invalid frame: ${message}.`, `Stage 's' ${message}`]
          const read = lines.slice(0, 3).map(line => JSON.parse(line).msg)
          if (!isDeepStrictEqual(read, told)) throw new Error(JSON.stringify(read))
        }),
      )
    }
  },
)

t.test('the line of an end has what the status has of the connection', async t => {
  const counted = (id: number, heldAtMost: number, slowest: ConnectionFigures['slowest'], items: number) => {
    const connection = new Connection(id, ADDRESS)
    const counts = [
      { name: 'lines', in: { items, bytes: 6 }, out: { items: 2, bytes: 4 } },
      { name: 'lookup', in: { items: 2, bytes: 4 }, out: { items: 4, bytes: 1 } },
    ]
    const figures = () => ({ heldAtMost, slowest })
    countWith(connection, { counts: () => counts, failLater: () => {}, figures })
    return connection
  }
  const slow = counted(4, 131_206, { name: 'lookup', share: 0.934 }, 1)
  const quick = counted(5, 0, undefined, 2)
  const said: string[][] = []
  for (const format of ['text', 'json'] as const) {
    const { log, lines } = await open({ format })
    const { onOutcome } = log.connections()
    for (const connection of [slow, quick]) onOutcome?.(ENDED, connection)
    said.push(lines())
  }
  const [text = [], json = []] = said
  t.strictSame(text, [COUNTED, COUNTED_QUICK])
  const facts = { event: 'closed', reason: 'end', bytesRead: 6, bytesWritten: 1, duration: 12, itemsOut: 4 }
  t.match(
    json.map(line => JSON.parse(line)),
    [
      { ...facts, id: 4, itemsIn: 1, heldAtMost: 131_206, slowest: 'lookup', slowestShare: 0.934 },
      { ...facts, id: 5, itemsIn: 2, heldAtMost: undefined, slowest: undefined, slowestShare: undefined },
    ],
  )
  t.ok(readFileSync('docs/operations.md', 'utf8').includes(`\n${COUNTED}\n`))
})
