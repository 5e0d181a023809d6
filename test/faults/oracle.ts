import { EventEmitter, once } from 'node:events'
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import type { ListenOptions } from '../../lib/index.js'
import { type FakeClock, fakeClock } from '../../lib/testing/index.js'
import { openSockets } from '../gate/open-sockets.js'
import { connectTcp, type TcpClient } from '../tcp-client.js'
import { Bystander } from './bystander.js'
import type { PipelineName } from './pipelines.js'
import { serveApart } from './serve-apart.js'
import { type Ended, type Fault, type FaultServer, serve } from './server.js'

/** What a fault is done to. */
export interface Target {
  readonly pipeline: PipelineName
  readonly options?: Omit<ListenOptions, 'clock'>
  /** Time that `pass` moves. In this process time stands still without it: no deadline passes on a busy machine. */
  readonly clock?: FakeClock
  /** How the bystander connects. @default by TCP */
  readonly open?: (port: number) => Promise<Socket>
  /** In a process of its own. */
  readonly apart?: boolean
  /** The limit of open files of that process. */
  readonly openFiles?: number
  /** How many connections end for each reason, without the bystander's; left out where that is not certain. */
  readonly reasons?: Readonly<Record<string, number>>
}

/** A server under a fault. */
export interface Scene {
  readonly server: FaultServer
  readonly port: number
  readonly bystander: Bystander
  /** Connects a client, which is gone when the test is over. */
  readonly client: () => Promise<TcpClient>
  /** Lets milliseconds pass, second by second, and the bystander go on meanwhile. */
  readonly pass: (milliseconds: number) => Promise<void>
  /** The connections that have ended, once there are so many. */
  readonly ended: (count: number) => Promise<readonly Ended[]>
  /** What stages did, once it is so much. */
  readonly faults: (count: number) => Promise<readonly Fault[]>
}

/**
 * Does a fault to a server, and then checks what no fault may change: the process lives; a bystander got a correct echo
 * throughout; only its connection is left, and no descriptor but its; what was opened was closed; every connection has
 * one outcome; nobody was warned of too many listeners.
 */
export async function underFault(
  t: Test,
  { pipeline, options = {}, clock = fakeClock(), open, apart = false, openFiles, reasons }: Target,
  provoke: (scene: Scene) => Promise<void>,
): Promise<void> {
  const ended: Ended[] = []
  const warnings: string[] = []
  const events = new EventEmitter()
  const onEnded = (outcome: Ended) => {
    ended.push(outcome)
    events.emit('ended')
  }
  const faults: Fault[] = []
  const onFault = (fault: Fault) => {
    faults.push(fault)
    events.emit('fault')
  }
  const onWarning = (message: string) => warnings.push(message)
  const onProcessWarning = ({ message }: Error) => onWarning(message)
  process.on('warning', onProcessWarning)
  const before = openSockets()
  const server = apart
    ? await serveApart(t, pipeline, options, {
        onEnded,
        onFault,
        onWarning,
        openFiles,
      })
    : await serve(pipeline, { ...options, clock }, { onEnded, onFault })
  const bystander = await Bystander.start(server.port, open)
  const base = await server.report()
  const clients: TcpClient[] = []

  await provoke({
    server,
    port: server.port,
    bystander,
    async client() {
      const client = await connectTcp(t, server.port)
      clients.push(client)
      return client
    },
    async pass(milliseconds) {
      for (let left = milliseconds; left > 0; left -= 1000) {
        clock.advance(Math.min(left, 1000))
        await bystander.rounds(2)
      }
    },
    async ended(count) {
      while (ended.length < count) await once(events, 'ended')
      return ended
    },
    async faults(count) {
      while (faults.length < count) await once(events, 'fault')
      return faults
    },
  })

  for (const { socket } of clients) socket.destroy()
  await Promise.all(clients.map(client => client.closed))
  await bystander.rounds(2)
  let report = await server.report()
  // What a client did last may still be on its way.
  while (report.connections > 1 || report.sockets > base.sockets) {
    await bystander.rounds(1)
    report = await server.report()
  }
  t.equal(report.connections, 1, 'only the bystander is left')
  t.equal(report.sockets, base.sockets, 'no descriptor is left')
  t.equal(report.opened, report.closed + 1, 'what was opened was closed')
  const served = ended.filter(({ reason }) => reason !== 'refused' && reason !== 'shutdown')
  t.equal(served.length, report.closed, 'and has an outcome')
  t.equal(new Set(served.map(({ id }) => id)).size, served.length, 'each has one outcome')
  if (reasons !== undefined) t.strictSame(tally(ended), reasons, 'for the expected reason')

  await bystander.stop()
  await server.close()
  const last = await lastOf(ended, events, report.closed + report.refused + 1)
  // The bystander came first.
  const id = Math.min(...ended.map(({ id }) => id || Infinity))
  t.match(last, { id, reason: 'end' })
  t.strictSame(openSockets(), before, 'as before')
  t.strictSame(warnings, [])
  process.off('warning', onProcessWarning)
}

async function lastOf(ended: readonly Ended[], events: EventEmitter, count: number) {
  while (ended.length < count) await once(events, 'ended')
  return ended.at(-1)
}

function tally(ended: readonly Ended[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of ended) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}
