import type { Load } from './load/job.js'

/** A workload, which each server runs in turn. */
export interface Workload {
  readonly name: string
  readonly summary: string
  readonly load: Load
  /** The unit that is counted. */
  readonly unit: 'msg' | 'MB' | 'conn'
  /** Measuring time of one run, in seconds; 0 for as long as the work takes. */
  readonly seconds: number
  readonly rounds: number
  /**
   * Measuring time of a first run, in seconds, whose result is discarded: V8 optimizes code only after it has run for a
   * while. Undefined for none.
   */
  readonly warmUp: number | undefined
  /** Whether the servers take part that are given as commands. */
  readonly peers: boolean
  /** Names of the servers that take part; undefined for all that send a client its own lines. The others are compared with the first. */
  readonly only: readonly string[] | undefined
}

/** Names of the servers that take part in bulk workloads with long lines, where the stages hardly count. */
const LONG_LINES_SERVERS = ['raw', 'naive', 'echo', 'uppercase', 'map', 'map8', 'streams', 'socat', 'ncat']

/** Names of the servers that take part in workloads with many connections. */
export const MANY_CONNECTIONS_SERVERS = ['raw', 'naive', 'echo', 'uppercase', 'map']

/** Names of the servers whose idle connections are measured. */
export const IDLE_SERVERS: readonly string[] = [...MANY_CONNECTIONS_SERVERS, 'async']

/** Names of the servers that push; the first is by hand. */
export const PUSH_SERVERS: readonly string[] = ['push-hand', 'push']

/** Names of the proxies; the first is by hand. */
export const PROXY_SERVERS: readonly string[] = ['proxy-hand', 'proxy', 'proxy-socat', 'proxy-haproxy']

/** Names of the servers that take part only where a workload names them. */
export const SPECIAL_SERVERS: readonly string[] = [...PUSH_SERVERS, ...PROXY_SERVERS]

/**
 * The workloads of a full run, or of a quick one.
 *
 * @param many - Number of connections of the workload `burst`; `push` has 1,000 of them at most.
 */
export function workloads(quick: boolean, many: number): readonly Workload[] {
  const pushed = Math.min(many, 1_000)
  const pushes = quick ? 30 : 300
  const lines = {
    rounds: quick ? 1 : 5,
    seconds: quick ? 0.08 : 0.12,
    warmUp: quick ? 0.04 : 0.16,
    only: undefined,
    peers: true,
  }
  const proxied = {
    ...lines,
    seconds: quick ? 0.08 : 0.3,
    warmUp: quick ? 0.04 : 0.6,
    only: PROXY_SERVERS,
    peers: false,
  }
  return [
    {
      ...lines,
      name: 'pp1',
      summary: '50 connections, 64-byte lines, 1 in flight',
      load: { kind: 'pingpong', connections: 50, depth: 1, size: 64 },
      unit: 'msg',
    },
    {
      ...lines,
      name: 'pp16',
      summary: '50 connections, 64-byte lines, 16 in flight',
      load: { kind: 'pingpong', connections: 50, depth: 16, size: 64 },
      unit: 'msg',
    },
    {
      ...lines,
      name: 'bulk64',
      summary: '8 connections, 64-byte lines as fast as they go',
      load: { kind: 'bulk', connections: 8, size: 64 },
      unit: 'MB',
    },
    {
      ...lines,
      name: 'bulk4k',
      summary: '8 connections, 4,096-byte lines as fast as they go',
      load: { kind: 'bulk', connections: 8, size: 4_096 },
      unit: 'MB',
      only: LONG_LINES_SERVERS,
    },
    {
      name: 'short',
      summary: 'connect, one line, FIN, read to the end; 50 at a time',
      load: { kind: 'short', connections: 50 },
      unit: 'conn',
      seconds: quick ? 0.1 : 0.2,
      rounds: quick ? 1 : 3,
      warmUp: quick ? undefined : 0.5,
      only: MANY_CONNECTIONS_SERVERS,
      peers: true,
    },
    {
      name: 'burst',
      summary: `${many.toLocaleString('en')} connects at once, one line each, until all are served`,
      load: { kind: 'burst', connections: many },
      unit: 'conn',
      seconds: 0,
      rounds: quick ? 1 : 3,
      warmUp: quick ? undefined : 0,
      only: ['raw', 'echo', 'uppercase'],
      peers: true,
    },
    {
      name: 'push',
      summary: `${pushed.toLocaleString('en')} connections, a 64-byte line pushed to each, ${pushes} times`,
      load: { kind: 'push', connections: pushed, pushes },
      unit: 'msg',
      seconds: 0,
      rounds: quick ? 1 : 3,
      warmUp: 0,
      only: PUSH_SERVERS,
      peers: false,
    },
    {
      ...proxied,
      name: 'proxy-pp',
      summary: 'in front of an echo: 50 connections, 64-byte lines, 1 in flight',
      load: { kind: 'pingpong', connections: 50, depth: 1, size: 64 },
      unit: 'msg',
    },
    {
      ...proxied,
      name: 'proxy-pp16',
      summary: 'in front of an echo: 50 connections, 64-byte lines, 16 in flight',
      load: { kind: 'pingpong', connections: 50, depth: 16, size: 64 },
      unit: 'msg',
    },
    {
      ...proxied,
      name: 'proxy-bulk64',
      summary: 'in front of an echo: 8 connections, 64-byte lines as fast as they go',
      load: { kind: 'bulk', connections: 8, size: 64 },
      unit: 'MB',
    },
    {
      ...proxied,
      name: 'proxy-bulk',
      summary: 'in front of an echo: 8 connections, 4,096-byte lines as fast as they go',
      load: { kind: 'bulk', connections: 8, size: 4_096 },
      unit: 'MB',
    },
  ]
}
