import type { Load } from './load/job.js'

/** What all servers are put through, one after the other. */
export interface Workload {
  readonly name: string
  readonly summary: string
  readonly load: Load
  /** What is counted. */
  readonly unit: 'msg' | 'MB' | 'conn'
  /** How long one run measures; 0 for as long as it takes. */
  readonly seconds: number
  readonly rounds: number
  /** How long a first run lasts that does not count: until code has run for a while, it is not compiled at its best. */
  readonly warmUp: number | undefined
  /** The servers that take part, where not all do. */
  readonly only: readonly string[] | undefined
}

/** Those that take part where there are many connections. */
export const SOCIABLE = ['raw', 'naive', 'echo', 'uppercase', 'map']

/** The sizes of a full run, or of a quick one. `many` connections are a crowd. */
export function workloads(quick: boolean, many: number): readonly Workload[] {
  const lines = {
    rounds: quick ? 1 : 5,
    seconds: quick ? 0.08 : 0.12,
    warmUp: quick ? 0.04 : 0.16,
    only: undefined,
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
    },
    {
      name: 'short',
      summary: 'connect, one line, FIN, read to the end; 50 at a time',
      load: { kind: 'short', connections: 50 },
      unit: 'conn',
      seconds: quick ? 0.1 : 0.2,
      rounds: quick ? 1 : 3,
      warmUp: quick ? undefined : 0.5,
      only: SOCIABLE,
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
    },
  ]
}
