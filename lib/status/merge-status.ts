import { UNKNOWN } from './culprit.js'
import { MAX_LISTED, type WINDOW_SECONDS } from './make-status.js'
import { round } from './stage-account.js'
import type {
  Amount,
  ConnectionStatus,
  Culprit,
  HubStatus,
  ItemTime,
  Shares,
  StageStatus,
  Status,
  Traffic,
  UpstreamStatus,
  Windows,
} from './status.js'

type Window = keyof typeof WINDOW_SECONDS

/**
 * Adds the statuses of workers to that of their primary, which knows itself what was opened, refused and ended.
 *
 * @param live - Those of the workers that serve.
 * @param dead - The last known ones of workers that have died; only what they had counted matters.
 */
export function mergeStatus(own: Status, live: readonly Status[], dead: readonly Status[]): Status {
  const all = [...live, ...dead]
  return {
    ...own,
    traffic: mergeTraffic(own, live, dead),
    stages: own.stages.map(stage => mergeStage(stage, live, all)),
    culprit: worst(live),
    slowest: listed(
      live.map(({ slowest }) => slowest),
      ({ waitedFor }) => waitedFor,
    ),
    largest: listed(
      live.map(({ largest }) => largest),
      ({ heldBytes, pendingBytes }) => heldBytes + pendingBytes,
    ),
    hubs: groups(
      live.map(({ hubs }) => hubs),
      ({ name }) => name,
    ).map(mergeHub),
    upstreams: groups(
      live.map(({ upstreams }) => upstreams),
      ({ address }) => address,
    ).map(mergeUpstream),
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

/** The traffic of all workers; what was opened, refused and ended the primary has counted itself. */
function mergeTraffic(own: Status, live: readonly Status[], dead: readonly Status[]): Windows<Traffic> {
  const add = (traffic: Traffic, others: readonly Traffic[]): Traffic => ({
    ...traffic,
    bytesIn: sum(others.map(({ bytesIn }) => bytesIn)),
    bytesOut: sum(others.map(({ bytesOut }) => bytesOut)),
    itemsIn: sum(others.map(({ itemsIn }) => itemsIn)),
    itemsOut: sum(others.map(({ itemsOut }) => itemsOut)),
  })
  const over = (window: Window) => {
    const traffic = own.traffic[window]
    return traffic && add(traffic, present(live.map(each => each.traffic[window])))
  }
  return {
    total: add(
      own.traffic.total,
      [...live, ...dead].map(({ traffic }) => traffic.total),
    ),
    last1s: over('last1s'),
    last10s: over('last10s'),
    last60s: over('last60s'),
  }
}

function present<T>(values: readonly (T | null | undefined)[]): readonly T[] {
  return values.filter(value => value !== null && value !== undefined)
}

/** The sums of a stage, which is the same in all workers, since they run the same script. */
function mergeStage(stage: StageStatus, live: readonly Status[], all: readonly Status[]): StageStatus {
  const of = (status: Status) => status.stages[stage.index]
  const stages = present(live.map(of))
  const counted = present(all.map(of))
  const amounts = (pick: (each: StageStatus) => Windows<Amount>): Windows<Amount> => {
    const over = (window: Window) => {
      const found = present(stages.map(each => pick(each)[window]))
      return found.length === 0 ? null : add(found)
    }
    return {
      total: add(counted.map(each => pick(each).total)),
      last1s: over('last1s'),
      last10s: over('last10s'),
      last60s: over('last60s'),
    }
  }
  const shares = (pick: (each: StageStatus) => Shares | null) =>
    mean(
      live
        .map(each => [of(each), each.connections.open] as const)
        .map(([each, open]) => [each ? pick(each) : null, open] as const),
    )
  return {
    ...stage,
    in: amounts(each => each.in),
    out: amounts(each => each.out),
    errors: sum(counted.map(({ errors }) => errors)),
    shares: {
      last1s: shares(each => each.shares.last1s),
      last10s: shares(each => each.shares.last10s),
      last60s: shares(each => each.shares.last60s),
    },
    activeShares: shares(each => each.activeShares),
    itemTime: mergeTimes(present(stages.map(({ itemTime }) => itemTime))),
    held: add(stages.map(({ held }) => held)),
    dropped: sum(counted.map(({ dropped }) => dropped)),
  }
}

function add(amounts: readonly Amount[]): Amount {
  return { items: sum(amounts.map(({ items }) => items)), bytes: sum(amounts.map(({ bytes }) => bytes)) }
}

/** The mean of shares, weighted by the connections of each worker; a worker without any counts as one with one. */
function mean(weighted: readonly (readonly [Shares | null, number])[]): Shares | null {
  const found = weighted.flatMap(([shares, open]) =>
    shares === null ? [] : [{ shares, weight: Math.max(1, open) }],
  )
  if (found.length === 0) return null
  const all = sum(found.map(({ weight }) => weight))
  const part = (pick: (shares: Shares) => number) =>
    round(sum(found.map(({ shares, weight }) => pick(shares) * weight)) / all)
  return {
    busy: part(({ busy }) => busy),
    starved: part(({ starved }) => starved),
    blocked: part(({ blocked }) => blocked),
  }
}

/** The times of an item: the mean of the workers' medians, weighted by their samples, and the worst of their 99th percentiles. */
function mergeTimes(times: readonly ItemTime[]): ItemTime | null {
  const samples = sum(times.map(time => time.samples))
  if (samples === 0) return null
  return {
    median: round(sum(times.map(time => time.median * time.samples)) / samples),
    p99: Math.max(...times.map(({ p99 }) => p99)),
    samples,
  }
}

/** The culprit of the worker with the most connections, among those whose connections wait for anything but input. */
function worst(live: readonly Status[]): Culprit {
  const rank = ({ culprit, connections }: Status) =>
    culprit.kind === 'unknown' ? -2 : culprit.kind === 'input' ? -1 : connections.open
  return [...live].sort((one, other) => rank(other) - rank(one))[0]?.culprit ?? UNKNOWN
}

function listed(
  lists: readonly (readonly ConnectionStatus[])[],
  by: (connection: ConnectionStatus) => number,
): readonly ConnectionStatus[] {
  return lists
    .flat()
    .sort((one, other) => by(other) - by(one))
    .slice(0, MAX_LISTED)
}

/** The entries of the same key in all lists. */
function groups<T>(
  lists: readonly (readonly T[])[],
  key: (each: T) => string,
): readonly (readonly [T, ...T[]])[] {
  const found = new Map<string, [T, ...T[]]>()
  for (const each of lists.flat()) {
    const known = found.get(key(each))
    if (known === undefined) found.set(key(each), [each])
    else known.push(each)
  }
  return [...found.values()]
}

function mergeHub(hubs: readonly [HubStatus, ...HubStatus[]]): HubStatus {
  const all = (pick: (hub: HubStatus) => number) => hubs.map(pick)
  return {
    name: hubs[0].name,
    topics: Math.max(...all(({ topics }) => topics)),
    subscribers: sum(all(({ subscribers }) => subscribers)),
    lagging: sum(all(({ lagging }) => lagging)),
    heldBytes: sum(all(({ heldBytes }) => heldBytes)),
    maxHeldBytes: Math.max(...all(({ maxHeldBytes }) => maxHeldBytes)),
    published: sum(all(({ published }) => published)),
    losses: sum(all(({ losses }) => losses)),
  }
}

function mergeUpstream(servers: readonly [UpstreamStatus, ...UpstreamStatus[]]): UpstreamStatus {
  const all = (pick: (server: UpstreamStatus) => number) => sum(servers.map(pick))
  return {
    address: servers[0].address,
    open: all(({ open }) => open),
    connecting: all(({ connecting }) => connecting),
    connects: all(({ connects }) => connects),
    failures: all(({ failures }) => failures),
    losses: all(({ losses }) => losses),
    lastFailure: present(servers.map(({ lastFailure }) => lastFailure)).at(-1) ?? null,
  }
}
