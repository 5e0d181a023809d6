import type { ConnectionStatus, Culprit, StageStatus, Status, Traffic } from '../../../lib/status/status.js'

const CLIENT: Culprit = { kind: 'client', stage: null, text: 'the clients do not read' }
const INPUT: Culprit = { kind: 'input', stage: null, text: 'nothing comes' }
const LOOKUP: Culprit = { kind: 'stage', stage: 1, text: "stage 'lookup' is busy 93 % of the time" }

export function traffic(more: Partial<Traffic> = {}): Traffic {
  return {
    opened: 52_310,
    refused: {},
    ended: { end: 48_003, 'client-reset': 2_914 },
    bytesIn: 1_300_000,
    bytesOut: 2_600_000,
    itemsIn: 12_345,
    itemsOut: 12_000,
    ...more,
  }
}

export function stage(
  index: number,
  name: string,
  busy: number,
  blocked: number,
  more: Partial<StageStatus> = {},
) {
  const shares = { busy, blocked, starved: 1 - busy - blocked }
  const amount = { items: 12_345, bytes: 500_000 }
  return {
    index,
    name,
    stages: name.split(' | '),
    runs: null,
    in: { total: amount, last1s: amount, last10s: amount, last60s: amount },
    out: { total: amount, last1s: amount, last10s: amount, last60s: amount },
    errors: 0,
    shares: { last1s: shares, last10s: shares, last60s: shares },
    activeShares: shares,
    itemTime: { median: 0.004, p99: 12.5, samples: 100 },
    held: { items: 0, bytes: 0 },
    dropped: 0,
    ...more,
  } satisfies StageStatus
}

export function connection(id: number, more: Partial<ConnectionStatus> = {}): ConnectionStatus {
  return {
    id,
    address: '10.0.0.7',
    port: 50_000 + id,
    worker: null,
    duration: 3_605_000,
    bytesIn: 1_000 * id,
    bytesOut: 2_000,
    heldBytes: 0,
    pendingBytes: 0,
    waitsFor: INPUT,
    waitedFor: 10_000,
    ...more,
  }
}

/** A status of a listener, one stage of which is slow. */
export function sampleStatus(more: Partial<Status> = {}): Status {
  const counts = traffic()
  const slow = connection(42, { waitsFor: CLIENT, waitedFor: 14_000, pendingBytes: 1_572_864 })
  return {
    version: 1,
    name: '127.0.0.1:7000',
    address: { address: '127.0.0.1', family: 'IPv4', port: 7000 },
    state: 'open',
    startedAt: 1_750_000_000_000,
    at: 1_750_000_060_000,
    observe: 'sampled',
    observedFor: 60_000,
    connections: { open: 1393, handshaking: 0, limit: 10_000 },
    traffic: { total: counts, last1s: counts, last10s: counts, last60s: counts },
    stages: [
      stage(0, 'lines | uppercase', 0.02, 0.9, { held: { items: 3, bytes: 4_096 } }),
      stage(1, 'lookup', 0.93, 0),
      stage(2, 'toLines', 0.01, 0),
    ],
    culprit: LOOKUP,
    slowest: [slow, connection(7)],
    largest: [slow, connection(8, { heldBytes: 2_097_152 })],
    hubs: [],
    upstreams: [],
    workers: [],
    process: {
      pid: 4321,
      uptime: 3_612_000,
      eventLoopDelay: { mean: 1.2, p99: 9.5, max: 31 },
      eventLoopUtilization: 0.62,
      memory: { rss: 98_304_000, heapUsed: 31_457_280, heapTotal: 50_331_648, external: 4_194_304 },
      descriptors: { held: 1312, capacity: 65_472, limit: 65_536 },
    },
    ...more,
  }
}

/** A status in which nothing was observed yet, and every list has something in it. */
export function firstStatus(): Status {
  const counts = traffic({ refused: { 'max-connections': 120, address: 4 }, ended: {} })
  const unobserved = { last1s: null, last10s: null, last60s: null }
  const amount = { total: { items: 1, bytes: 1 }, ...unobserved }
  return sampleStatus({
    state: 'closing',
    observedFor: 0,
    connections: { open: 2, handshaking: 1, limit: null },
    traffic: { total: counts, ...unobserved },
    stages: [
      stage(0, 'echo', 0, 0, {
        in: amount,
        shares: unobserved,
        activeShares: null,
        itemTime: null,
        errors: 3,
        dropped: 20_000_000,
      }),
    ],
    culprit: { kind: 'unknown', stage: null, text: 'nothing was observed' },
    slowest: [connection(1, { address: null, port: null, worker: 2 }), connection(2, { port: null })],
    largest: [],
    hubs: [
      {
        name: 'room',
        topics: 0,
        subscribers: 5,
        lagging: 1,
        heldBytes: 1,
        maxHeldBytes: 1,
        published: 9,
        losses: 2,
      },
      {
        name: 'calm',
        topics: 0,
        subscribers: 5,
        lagging: 0,
        heldBytes: 0,
        maxHeldBytes: 0,
        published: 9,
        losses: 0,
      },
    ],
    upstreams: [
      {
        address: 'db:1',
        open: 1,
        connecting: 0,
        connects: 4,
        failures: 3,
        losses: 0,
        lastFailure: 'refused',
      },
      { address: 'db:2', open: 1, connecting: 0, connects: 4, failures: 0, losses: 0, lastFailure: null },
    ],
    workers: [
      { number: 1, state: 'dead', connections: 0, traffic: counts, culprit: INPUT, process: null },
      { number: 2, state: 'serving', connections: 2, traffic: counts, culprit: INPUT, process: null },
    ],
    process: {
      ...sampleStatus().process,
      eventLoopDelay: null,
      descriptors: { held: 3, capacity: null, limit: null },
    },
  })
}
