import { Counter, Gauge, Registry } from 'prom-client'
import type { Reason } from '../outcome.js'
import type { ProcessStatus, RefusalReason, Status } from '../status/status.js'

export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

/** The values of a metric's labels, and the value itself. */
type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number]

/** A metric: its type, name, help, and what it gives for a listener. */
interface Metric {
  readonly type: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly samples: (status: Status) => readonly Sample[]
}

/** All refusals and outcomes, so that each series is there from the start: `rate()` does not see the first of a new one. */
const NO_REFUSALS: Readonly<Record<RefusalReason, number>> = {
  'max-connections': 0,
  'max-connections-per-address': 0,
  address: 0,
  'open-files': 0,
  closed: 0,
  handshake: 0,
  'proxy-header': 0,
}
/** A list that becomes another one ends no connection. */
const NO_ENDS: Readonly<Record<Exclude<Reason, 'become'>, number>> = {
  end: 0,
  terminated: 0,
  'client-reset': 0,
  'stage-error': 0,
  'upstream-error': 0,
  'exec-error': 0,
  'frame-too-long': 0,
  'invalid-frame': 0,
  'invalid-utf8': 0,
  'idle-timeout': 0,
  'frame-timeout': 0,
  'drain-timeout': 0,
  'slow-consumer': 0,
  'half-close-timeout': 0,
  shutdown: 0,
  refused: 0,
  'worker-died': 0,
}

/** Hubs and upstreams for each of which there are series; those behind are left out. */
const MAX_NAMES = 100

const STAGE = ['index', 'stage'] as const
const WITH_DIRECTION = [...STAGE, 'direction'] as const

const counter = metricOf('counter')
const gauge = metricOf('gauge')

const METRICS: readonly Metric[] = [
  gauge('listener_ready', 'Whether the listener accepts connections', [], ({ state }) => [
    [{}, state === 'open' ? 1 : 0],
  ]),
  gauge('listener_start_time_seconds', 'When the listener was opened, in unix time', [], ({ startedAt }) => [
    [{}, startedAt / 1000],
  ]),
  gauge('connections', 'Open connections, those in a handshake included', [], ({ connections }) => [
    [{}, connections.open],
  ]),
  gauge('connections_handshaking', 'Connections in a TLS or WebSocket handshake', [], ({ connections }) => [
    [{}, connections.handshaking],
  ]),
  gauge('connections_limit', 'How many connections may be open', [], ({ connections: { limit } }) =>
    limit === null ? [] : [[{}, limit]],
  ),
  counter('connections_opened_total', 'Connections that were served', [], ({ traffic }) => [
    [{}, traffic.total.opened],
  ]),
  counter('connections_refused_total', 'Connections that were refused', ['reason'], ({ traffic }) =>
    Object.entries({ ...NO_REFUSALS, ...traffic.total.refused }).map(([reason, count]) => [
      { reason },
      count,
    ]),
  ),
  counter('connections_ended_total', 'Connections that are over', ['outcome'], ({ traffic }) =>
    Object.entries({ ...NO_ENDS, ...traffic.total.ended }).map(([outcome, count]) => [{ outcome }, count]),
  ),
  counter('received_bytes_total', 'Bytes that came from clients', [], ({ traffic }) => [
    [{}, traffic.total.bytesIn],
  ]),
  counter('sent_bytes_total', 'Bytes that were handed to the transport', [], ({ traffic }) => [
    [{}, traffic.total.bytesOut],
  ]),
  counter('received_chunks_total', 'Chunks that came to the first stage', [], ({ traffic }) => [
    [{}, traffic.total.itemsIn],
  ]),
  counter('sent_chunks_total', 'Chunks that left the last stage', [], ({ traffic }) => [
    [{}, traffic.total.itemsOut],
  ]),
  gauge(
    'culprit',
    'What slows the connections down most: 1 for one kind and stage',
    ['kind', 'index', 'stage'],
    ({ culprit: { kind, stage }, stages }) => [
      [{ kind, index: stage ?? '', stage: (stage !== null && stages[stage]?.name) || '' }, 1],
    ],
  ),
  counter('stage_items_total', 'Items that came to a stage and left it', WITH_DIRECTION, ({ stages }) =>
    stages.flatMap(stage => [
      [{ ...stageLabels(stage), direction: 'in' }, stage.in.total.items],
      [{ ...stageLabels(stage), direction: 'out' }, stage.out.total.items],
    ]),
  ),
  counter(
    'stage_bytes_total',
    'Bytes that came to a stage and left it; characters where the items are lines',
    WITH_DIRECTION,
    ({ stages }) =>
      stages.flatMap(stage => [
        [{ ...stageLabels(stage), direction: 'in' }, stage.in.total.bytes],
        [{ ...stageLabels(stage), direction: 'out' }, stage.out.total.bytes],
      ]),
  ),
  counter(
    'stage_errors_total',
    'Errors of a stage, and faults of clients that it reported',
    STAGE,
    ({ stages }) => stages.map(stage => [stageLabels(stage), stage.errors]),
  ),
  counter('stage_dropped_items_total', 'Items that a stage has dropped', STAGE, ({ stages }) =>
    stages.map(stage => [stageLabels(stage), stage.dropped]),
  ),
  gauge('stage_held_items', 'Items that wait in front of a stage', STAGE, ({ stages }) =>
    stages.map(stage => [stageLabels(stage), stage.held.items]),
  ),
  gauge('stage_held_bytes', 'Bytes that wait in front of a stage', STAGE, ({ stages }) =>
    stages.map(stage => [stageLabels(stage), stage.held.bytes]),
  ),
  gauge(
    'stage_time_ratio',
    'Share of the last 10 s in which a stage was busy, starved or blocked, while there was something to do',
    [...STAGE, 'state'],
    ({ stages }) =>
      stages.flatMap(stage =>
        Object.entries(stage.activeShares ?? {}).map(
          ([state, share]): Sample => [{ ...stageLabels(stage), state }, share],
        ),
      ),
  ),
  gauge(
    'stage_item_median_seconds',
    'Median of the time that a stage works on an item',
    STAGE,
    ({ stages }) =>
      stages.flatMap(stage =>
        stage.itemTime === null ? [] : [[stageLabels(stage), stage.itemTime.median / 1000] as const],
      ),
  ),
  gauge(
    'stage_item_p99_seconds',
    '99th percentile of the time that a stage works on an item',
    STAGE,
    ({ stages }) =>
      stages.flatMap(stage =>
        stage.itemTime === null ? [] : [[stageLabels(stage), stage.itemTime.p99 / 1000] as const],
      ),
  ),
  ...ofEach('hub', ({ hubs }) => hubs.map(hub => ({ ...hub, label: hub.name })), [
    ['gauge', 'hub_topics', 'Topics with subscribers', ({ topics }) => topics],
    ['gauge', 'hub_subscribers', 'Subscribers of a hub', ({ subscribers }) => subscribers],
    ['gauge', 'hub_lagging_subscribers', 'Subscribers for which something waits', ({ lagging }) => lagging],
    ['gauge', 'hub_held_bytes', 'Bytes that wait for subscribers', ({ heldBytes }) => heldBytes],
    ['gauge', 'hub_max_held_bytes', 'Bytes that wait for the slowest', ({ maxHeldBytes }) => maxHeldBytes],
    ['counter', 'hub_published_items_total', 'Items that were published', ({ published }) => published],
    ['counter', 'hub_lost_items_total', 'Items that subscribers have missed', ({ losses }) => losses],
  ]),
  ...ofEach('upstream', ({ upstreams }) => upstreams.map(each => ({ ...each, label: each.address })), [
    ['gauge', 'upstream_connections', 'Open connections to a server', ({ open }) => open],
    ['gauge', 'upstream_connecting', 'Connections that are being opened', ({ connecting }) => connecting],
    ['counter', 'upstream_connects_total', 'Connections that were opened', ({ connects }) => connects],
    ['counter', 'upstream_failures_total', 'Connects that failed', ({ failures }) => failures],
    ['counter', 'upstream_losses_total', 'Connections that the server broke off', ({ losses }) => losses],
  ]),
  ...ofEach('worker', ({ workers }) => workers.map(worker => ({ ...worker, label: String(worker.number) })), [
    ['gauge', 'worker_up', 'Whether a worker serves', ({ state }) => (state === 'serving' ? 1 : 0)],
    ['gauge', 'worker_connections', 'Open connections of a worker', ({ connections }) => connections],
    ['gauge', 'worker_resident_memory_bytes', 'Memory of a worker', each => each.process?.memory.rss],
    [
      'gauge',
      'worker_event_loop_utilization_ratio',
      'Share of the time in which the event loop of a worker was not idle',
      each => each.process?.eventLoopUtilization ?? undefined,
    ],
  ]),
]

/** Metrics of the process that answers, whichever of its listeners is asked. */
const PROCESS_METRICS: readonly (readonly [
  name: string,
  help: string,
  value: (status: ProcessStatus) => number | null | undefined,
])[] = [
  ['process_uptime_seconds', 'Time since the process was started', ({ uptime }) => uptime / 1000],
  ['process_resident_memory_bytes', 'Resident memory', ({ memory }) => memory.rss],
  ['process_heap_used_bytes', 'Used part of the JavaScript heap', ({ memory }) => memory.heapUsed],
  ['process_heap_size_bytes', 'Size of the JavaScript heap', ({ memory }) => memory.heapTotal],
  ['process_external_memory_bytes', 'Memory of buffers outside the heap', ({ memory }) => memory.external],
  ['process_descriptors', 'Descriptors of connections and stages', ({ descriptors }) => descriptors.held],
  [
    'process_descriptors_limit',
    'Limit of the system for open descriptors',
    ({ descriptors }) => descriptors.limit,
  ],
  [
    'process_event_loop_utilization_ratio',
    'Share of the time in which the event loop was not idle',
    ({ eventLoopUtilization }) => eventLoopUtilization,
  ],
  [
    'process_event_loop_delay_mean_seconds',
    'Mean of how late timers were',
    ({ eventLoopDelay }) => eventLoopDelay && eventLoopDelay.mean / 1000,
  ],
  [
    'process_event_loop_delay_p99_seconds',
    '99th percentile of how late timers were',
    ({ eventLoopDelay }) => eventLoopDelay && eventLoopDelay.p99 / 1000,
  ],
]

/**
 * The text of all metrics. They are made from the books of the listeners at each scrape, so that the counts of a dead
 * worker, and of connections before the first scrape, are not lost.
 */
export function metricsText(statuses: readonly Status[]): Promise<string> {
  const registry = new Registry()
  const names = uniqueNames(statuses)
  for (const { type, name, help, labels, samples } of METRICS) {
    const metric = {
      name: `bywash_${name}`,
      help,
      labelNames: ['listener', ...labels],
      registers: [registry],
    }
    const add = type === 'counter' ? adder(new Counter(metric)) : setter(new Gauge(metric))
    for (const [index, status] of statuses.entries()) {
      for (const [values, value] of samples(status))
        add({ listener: names[index] as string, ...values }, value)
    }
  }
  const own = statuses[0]?.process
  for (const [name, help, read] of PROCESS_METRICS) {
    const value = own && read(own)
    if (typeof value !== 'number') continue
    new Gauge({ name: `bywash_${name}`, help, registers: [registry] }).set(value)
  }
  return registry.metrics()
}

type Labels = Readonly<Record<string, string | number>>

function adder(counter: Counter) {
  return (labels: Labels, value: number) => counter.inc(labels, value)
}

function setter(gauge: Gauge) {
  return (labels: Labels, value: number) => gauge.set(labels, value)
}

/** Names of listeners, told apart: those of `handle()` are the names of their stages. */
function uniqueNames(statuses: readonly Status[]): readonly string[] {
  const seen = new Map<string, number>()
  return statuses.map(({ name }) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return count === 1 ? name : `${name} (${count})`
  })
}

function metricOf(type: Metric['type']) {
  return (name: string, help: string, labels: readonly string[], samples: Metric['samples']): Metric => ({
    type,
    name,
    help,
    labels,
    samples,
  })
}

/** The metrics of each hub, upstream or worker of a listener, which is the value of a label. */
function ofEach<Each extends { readonly label: string }>(
  label: string,
  list: (status: Status) => readonly Each[],
  metrics: readonly (readonly [
    type: Metric['type'],
    name: string,
    help: string,
    value: (each: Each) => number | undefined,
  ])[],
): readonly Metric[] {
  return metrics.map(([type, name, help, read]) =>
    metricOf(type)(name, help, [label], status => {
      const values = new Map<string, number>()
      for (const each of list(status).slice(0, MAX_NAMES)) {
        const value = read(each)
        // Two hubs of one name are one series.
        if (value !== undefined) values.set(each.label, (values.get(each.label) ?? 0) + value)
      }
      return [...values].map(([name, value]) => [{ [label]: name }, value])
    }),
  )
}

function stageLabels({ index, name }: Status['stages'][number]) {
  return { index, stage: name }
}
