import type {
  Amount,
  ConnectionStatus,
  Culprit,
  ProcessStatus,
  StageStatus,
  Status,
  Traffic,
  Windows,
} from '../../lib/status/status.js'

const SECOND_MS = 1_000
const STARTED_AT = 1_750_000_000_000
const BUSY: Culprit = { kind: 'stage', stage: 2, text: "stage 'lookup' is busy 93 % of the time" }
const CLIENT: Culprit = { kind: 'client', stage: null, text: 'the client does not read' }
/** The windows of what nobody looks at yet. */
const UNOBSERVED = { last1s: null, last10s: null, last60s: null }
const INPUT: Culprit = { kind: 'input', stage: null, text: 'nothing comes' }

const PROCESS: ProcessStatus = {
  pid: 4321,
  uptime: 3_612_000,
  eventLoopDelay: { mean: 1.2, p99: 9.5, max: 31 },
  eventLoopUtilization: 0.62,
  memory: { rss: 98_304_000, heapUsed: 31_457_280, heapTotal: 50_331_648, external: 4_194_304 },
  descriptors: { held: 1312, capacity: 65_472, limit: 65_536 },
}

/** Counts of a stage through which `items` of `size` bytes have gone, evenly over an hour. */
function amounts(items: number, size: number): Windows<Amount> {
  const over = (seconds: number) => {
    const count = Math.round((items * seconds) / 3600)
    return { items: count, bytes: count * size }
  }
  return { total: over(3600), last1s: over(1), last10s: over(10), last60s: over(60) }
}

function sampleStage(
  index: number,
  stages: readonly string[],
  busy: number,
  blocked: number,
  more: Partial<StageStatus> = {},
): StageStatus {
  const shares = { busy, blocked, starved: Number((1 - busy - blocked).toFixed(4)) }
  return {
    index,
    name: stages.join(' | '),
    stages,
    runs: stages.length === 1 ? null : 'in one loop over lines',
    in: amounts(3_600_000, 40),
    out: amounts(3_600_000, 41),
    errors: 0,
    shares: { last1s: shares, last10s: shares, last60s: shares },
    activeShares: shares,
    itemTime: { median: 0.002, p99: 0.016, samples: 812 },
    held: { items: 0, bytes: 0 },
    dropped: 0,
    ...more,
  }
}

const TRAFFIC: Windows<Traffic> = {
  total: {
    opened: 52_310,
    refused: { 'max-connections': 120, 'max-connections-per-address': 31, address: 4, handshake: 9 },
    ended: { end: 48_003, 'client-reset': 2_914, 'frame-timeout': 77, 'stage-error': 6, 'drain-timeout': 3 },
    bytesIn: 144_000_000,
    bytesOut: 147_600_000,
    itemsIn: 1_204_332,
    itemsOut: 1_204_100,
  },
  last1s: {
    opened: 14,
    refused: {},
    ended: { end: 13 },
    bytesIn: 40_000,
    bytesOut: 41_000,
    itemsIn: 333,
    itemsOut: 333,
  },
  last10s: {
    opened: 145,
    refused: { 'max-connections': 2 },
    ended: { end: 131, 'client-reset': 8 },
    bytesIn: 400_000,
    bytesOut: 410_000,
    itemsIn: 3_345,
    itemsOut: 3_344,
  },
  last60s: {
    opened: 871,
    refused: { 'max-connections': 2, address: 1 },
    ended: { end: 799, 'client-reset': 48, 'frame-timeout': 1 },
    bytesIn: 2_400_000,
    bytesOut: 2_460_000,
    itemsIn: 20_070,
    itemsOut: 20_066,
  },
}

export function sampleConnection(id: number, more: Partial<ConnectionStatus> = {}): ConnectionStatus {
  return {
    id,
    address: `10.0.0.${id % 256}`,
    port: 40_000 + id,
    worker: null,
    duration: 3 * id * SECOND_MS,
    bytesIn: 1_000 * id,
    bytesOut: 1_025 * id,
    heldBytes: 0,
    pendingBytes: 0,
    waitsFor: BUSY,
    waitedFor: 800 - id,
    ...more,
  }
}

/** A listener under load: six stages, one of which is busy, a hub, an upstream, refusals, slow connections. */
export function sampleStatus(more: Partial<Status> = {}): Status {
  return {
    version: 1,
    name: '127.0.0.1:7000',
    address: { address: '127.0.0.1', family: 'IPv4', port: 7000 },
    state: 'open',
    startedAt: STARTED_AT,
    at: STARTED_AT + 3600 * SECOND_MS,
    observe: 'sampled',
    observedFor: 74_000,
    connections: { open: 1307, handshaking: 2, limit: 10_000 },
    traffic: TRAFFIC,
    stages: [
      sampleStage(0, ['gunzip'], 0.02, 0.9, { held: { items: 12, bytes: 786_432 } }),
      sampleStage(1, ['lines', 'trim', 'grep'], 0.03, 0.92, { errors: 77 }),
      sampleStage(2, ['lookup'], 0.93, 0, {
        itemTime: { median: 8.2, p99: 65, samples: 4_210 },
        held: { items: 64, bytes: 2_560 },
        errors: 6,
      }),
      sampleStage(3, ['broadcast'], 0.01, 0, { dropped: 19 }),
      sampleStage(4, ['to-lines'], 0.01, 0),
      sampleStage(5, ['throttle'], 0.01, 0.02),
    ],
    culprit: BUSY,
    slowest: [
      sampleConnection(42, { waitsFor: CLIENT, waitedFor: 41_000, pendingBytes: 917_504 }),
      ...Array.from({ length: 8 }, (_, index) => sampleConnection(100 + index)),
    ],
    largest: [
      sampleConnection(42, { waitsFor: CLIENT, waitedFor: 41_000, pendingBytes: 917_504 }),
      sampleConnection(7, { heldBytes: 524_288 }),
      sampleConnection(9, { address: null, port: null, waitsFor: INPUT }),
    ],
    hubs: [
      {
        name: 'lobby',
        topics: 3,
        subscribers: 1290,
        lagging: 2,
        heldBytes: 1_310_720,
        maxHeldBytes: 917_504,
        published: 40_112,
        losses: 19,
      },
    ],
    upstreams: [
      {
        address: 'redis.local:6379',
        open: 211,
        connecting: 1,
        connects: 9_310,
        failures: 12,
        losses: 3,
        lastFailure: 'connection refused',
      },
    ],
    workers: [],
    process: PROCESS,
    ...more,
  }
}

/** A program with three listeners: one under load, an idle one on a unix socket, and one with workers that closes. */
export function sampleStatuses(): readonly Status[] {
  const nothing: Traffic = {
    opened: 0,
    refused: {},
    ended: {},
    bytesIn: 0,
    bytesOut: 0,
    itemsIn: 0,
    itemsOut: 0,
  }
  return [
    sampleStatus(),
    sampleStatus({
      name: '/run/shout.sock',
      address: { address: '/run/shout.sock', family: 'unix', port: 0 },
      observedFor: 0,
      connections: { open: 0, handshaking: 0, limit: 10_000 },
      traffic: { total: nothing, ...UNOBSERVED },
      stages: [
        sampleStage(0, ['lines', 'uppercase', 'to-lines'], 0, 0, {
          in: { ...amounts(0, 0), ...UNOBSERVED },
          out: { ...amounts(0, 0), ...UNOBSERVED },
          runs: 'on whole blocks of lines',
          shares: UNOBSERVED,
          activeShares: null,
          itemTime: null,
        }),
      ],
      culprit: { kind: 'unknown', stage: null, text: 'nothing was observed yet' },
      slowest: [],
      largest: [],
      hubs: [],
      upstreams: [],
      process: { ...PROCESS, eventLoopDelay: null, eventLoopUtilization: null },
    }),
    sampleStatus({
      name: '[::]:7443',
      address: { address: '::', family: 'IPv6', port: 7443 },
      state: 'closing',
      workers: [1, 2, 3].map(number => ({
        number,
        state: (['serving', 'silent', 'dead'] as const)[number - 1] as 'serving',
        connections: number === 3 ? 0 : 600 + number,
        traffic: TRAFFIC.total,
        culprit: number === 3 ? INPUT : BUSY,
        process: number === 3 ? null : { ...PROCESS, pid: 4321 + number },
      })),
    }),
  ]
}

/** A status in which nothing was observed yet, and every list has something in it. */
export function firstStatus(): Status {
  const counts = { ...TRAFFIC.total, refused: { 'max-connections': 120, address: 4 }, ended: {} }
  const amount = { total: { items: 1, bytes: 1 }, ...UNOBSERVED }
  return sampleStatus({
    state: 'closing',
    observedFor: 0,
    connections: { open: 2, handshaking: 1, limit: null },
    traffic: { total: counts, ...UNOBSERVED },
    stages: [
      sampleStage(0, ['echo'], 0, 0, {
        in: amount,
        out: amount,
        shares: UNOBSERVED,
        activeShares: null,
        itemTime: null,
        errors: 3,
        dropped: 20_000_000,
      }),
    ],
    culprit: { kind: 'unknown', stage: null, text: 'nothing was observed' },
    slowest: [
      sampleConnection(1, { address: null, port: null, worker: 2 }),
      sampleConnection(2, { port: null }),
    ],
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
      ...PROCESS,
      eventLoopDelay: null,
      descriptors: { held: 3, capacity: null, limit: null },
    },
  })
}
