import type { Passed } from '../stage-counts.js'
import type { Book, Observed, Sample } from './book.js'
import {
  activeSharesOf,
  CLIENT,
  culpritOf,
  NOTHING_COMES,
  type StageTimes,
  sharesOf,
  slowStage,
  UNKNOWN,
} from './culprit.js'
import { processStatus, watchEventLoop } from './process-status.js'
import type { StageBook, StageSample } from './stage-book.js'
import type {
  Amount,
  ConnectionStatus,
  Culprit,
  HubStatus,
  OpenConnections,
  StageStatus,
  Status,
  Traffic,
  UpstreamStatus,
  Windows,
} from './status.js'

/** Connections in each of the two lists. */
export const MAX_LISTED = 20
/** The windows that are counted over. */
export const WINDOW_SECONDS = { last1s: 1, last10s: 10, last60s: 60 } as const

/** The facts that only the owner of the book knows. */
export interface StatusFacts extends Pick<Status, 'name' | 'address' | 'state' | 'workers'> {
  readonly connections: OpenConnections
  readonly worker: number | null
}

/** A connection that is open, and what is held in front of each of its stages. */
interface Holder {
  readonly each: Observed
  readonly held: readonly Passed[]
}

/** Two samples; undefined while there is no second one. */
type Span = { readonly from: Sample; readonly to: Sample } | undefined

/** Makes the status of what a book has, and begins or prolongs a look. */
export function makeStatus(book: Book, facts: StatusFacts): Status {
  const { worker, ...own } = facts
  book.lookOn()
  book.whenLookEnds(watchEventLoop)
  book.charge()
  const stageBook = book.current
  const now = book.sample()
  const spans = Object.fromEntries(
    Object.entries(WINDOW_SECONDS).map(([name, seconds]) => [name, spanOf(book.samples, seconds)]),
  ) as Record<keyof typeof WINDOW_SECONDS, Span>
  const windows = <T>(of: (sample: Sample) => T, difference: (to: T, from: T) => T): Windows<T> => {
    const over = (span: Span) => (span === undefined ? null : difference(of(span.to), of(span.from)))
    return {
      total: of(now),
      last1s: over(spans.last1s),
      last10s: over(spans.last10s),
      last60s: over(spans.last60s),
    }
  }
  const { last10s } = spans
  const times = stageBook.listed.map((_, index) => last10s && timesOf(last10s, index))
  const open = [...book.open].map(each => ({ each, held: each.held }))
  const held = heldIn(stageBook, open)
  const sources = new Map(
    stageBook.listed.flatMap(({ source }) => (source === undefined ? [] : [[source.of, source]])),
  )
  const hubs = new Map<unknown, HubStatus>()
  const upstreams: UpstreamStatus[] = []
  for (const { of, hub, upstreams: servers } of sources.values()) {
    if (hub !== undefined) hubs.set(of, hub())
    if (servers !== undefined) upstreams.push(...servers())
  }
  const stages = stageBook.listed.map(({ stages, runs, source, isObservable }, index): StageStatus => {
    const shares = (span: Span) =>
      span === undefined || !isObservable ? null : sharesOf(timesOf(span, index))
    const time = times[index]
    return {
      index,
      name: stages.join(' | '),
      stages,
      runs,
      in: windows(sample => inOf(sample.stages[index] as StageSample), amountBetween),
      out: windows(sample => outOf(sample.stages[index] as StageSample), amountBetween),
      errors: stageBook.errors[index] as number,
      shares: { last1s: shares(spans.last1s), last10s: shares(last10s), last60s: shares(spans.last60s) },
      activeShares: time === undefined || !isObservable ? null : activeSharesOf(time),
      itemTime: stageBook.look?.accounts[index]?.itemTime ?? null,
      held: held[index] as Amount,
      dropped: hubs.get(source?.of)?.losses ?? 0,
    }
  })
  return {
    version: 1,
    ...own,
    startedAt: book.startedAt,
    at: book.now,
    observe: book.observe,
    observedFor: book.observedFor,
    traffic: windows(sample => sample.traffic, trafficBetween),
    stages,
    culprit:
      last10s === undefined
        ? UNKNOWN
        : culpritOf(stageBook.listed, times as readonly StageTimes[], {
            unread: last10s.to.unread - last10s.from.unread,
            idle: last10s.to.idle - last10s.from.idle,
            running: last10s.to.running - last10s.from.running,
            elapsed: last10s.to.at - last10s.from.at,
          }),
    ...connectionLists(book, open, worker),
    hubs: [...hubs.values()],
    upstreams,
    process: processStatus(),
  }
}

/** The last sample, and the one so many seconds before it, or the first. */
function spanOf(samples: readonly Sample[], seconds: number): Span {
  const to = samples.at(-1)
  const from = samples[Math.max(0, samples.length - 1 - seconds)]
  return to === undefined || from === undefined || from === to ? undefined : { from, to }
}

function timesOf({ from, to }: NonNullable<Span>, index: number): StageTimes {
  const before = from.stages[index] as StageSample
  const after = to.stages[index] as StageSample
  return {
    busy: after.busy - before.busy,
    starved: after.starved - before.starved,
    blocked: after.blocked - before.blocked,
    idle: after.idle - before.idle,
    blamed: after.blamed - before.blamed,
  }
}

function inOf({ inItems, inBytes }: StageSample): Amount {
  return { items: inItems, bytes: inBytes }
}

function outOf({ outItems, outBytes }: StageSample): Amount {
  return { items: outItems, bytes: outBytes }
}

function amountBetween(to: Amount, from: Amount): Amount {
  return { items: to.items - from.items, bytes: to.bytes - from.bytes }
}

function trafficBetween(to: Traffic, from: Traffic): Traffic {
  return {
    opened: to.opened - from.opened,
    refused: countsBetween(to.refused, from.refused),
    ended: countsBetween(to.ended, from.ended),
    bytesIn: to.bytesIn - from.bytesIn,
    bytesOut: to.bytesOut - from.bytesOut,
    itemsIn: to.itemsIn - from.itemsIn,
    itemsOut: to.itemsOut - from.itemsOut,
  }
}

function countsBetween<Counts extends Readonly<Partial<Record<string, number>>>>(
  to: Counts,
  from: Counts,
): Counts {
  const differences = Object.entries(to).map(
    ([name, count]) => [name, Number(count) - (from[name] ?? 0)] as const,
  )
  return Object.fromEntries(differences.filter(([, count]) => count > 0)) as never
}

function heldIn(stageBook: StageBook, open: readonly Holder[]): readonly Amount[] {
  const sums = stageBook.listed.map(() => ({ items: 0, bytes: 0 }))
  for (const { each, held } of open) {
    if (each.stageBook !== stageBook) continue
    for (const [index, { items, bytes }] of held.entries()) {
      const sum = sums[index] as { items: number; bytes: number }
      sum.items += items
      sum.bytes += bytes
    }
  }
  return sums
}

/** The connections that have waited longest, and those that hold most. */
function connectionLists(book: Book, open: readonly Holder[], worker: number | null) {
  const now = book.clock.now()
  const all = open.map(({ each, held }) => {
    const { wait, pendingBytes } = each
    const heldBytes = bytesOf(held)
    return { each, heldBytes, wait, waitedFor: waitedFor(book, each, now), size: pendingBytes + heldBytes }
  })
  const show = ({ each, heldBytes, waitedFor }: (typeof all)[number]) =>
    connectionStatus(each, worker, heldBytes, waitedFor, now)
  const slow = all.filter(({ wait }) => wait !== undefined && wait.for !== 'input')
  const large = all.filter(({ size }) => size > 0)
  return {
    slowest: slow
      .sort((one, other) => other.waitedFor - one.waitedFor)
      .slice(0, MAX_LISTED)
      .map(show),
    largest: large
      .sort((one, other) => other.size - one.size)
      .slice(0, MAX_LISTED)
      .map(show),
  }
}

const bytesOf = (held: readonly Passed[]) => held.reduce((sum, { bytes }) => sum + bytes, 0)

function waitedFor({ lookBegan }: Book, { wait, openedAt }: Observed, now: number): number {
  return Math.round(now - (wait?.since ?? Math.max(lookBegan, openedAt)))
}

function connectionStatus(
  each: Observed,
  worker: number | null,
  heldBytes: number,
  waitedFor: number,
  now: number,
): ConnectionStatus {
  const { connection, bytesIn, bytesOut, pendingBytes, openedAt } = each
  return {
    id: connection.id,
    address: connection.remoteAddress ?? null,
    port: connection.remotePort ?? null,
    worker,
    duration: Math.round(now - openedAt),
    bytesIn,
    bytesOut,
    heldBytes,
    pendingBytes,
    waitsFor: waitsFor(each),
    waitedFor,
  }
}

function waitsFor({ wait, stageBook, isDormant }: Observed): Culprit {
  if (wait === undefined) return isDormant ? NOTHING_COMES : UNKNOWN
  if (wait.for === 'client') return CLIENT
  if (wait.for === 'input') return NOTHING_COMES
  // Only a connection whose stages are open waits for one of them.
  return slowStage((stageBook as StageBook).listed, wait.for, 'busy')
}
