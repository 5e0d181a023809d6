import type { Status } from '../../status/status.js'

/** The shape of a value: a type, a type that may be null, a list, an object with these members, or one with any names. */
type Shape =
  | 'number'
  | 'string'
  | 'number or null'
  | { readonly list: Shape }
  | { readonly counts: true }
  | { readonly nullable: Shape }
  | { readonly members: Readonly<Record<string, Shape>> }

const AMOUNT = members({ items: 'number', bytes: 'number' })
const SHARES = nullable(members({ busy: 'number', starved: 'number', blocked: 'number' }))
const CULPRIT = members({ kind: 'string', text: 'string' })
const TRAFFIC = members({
  opened: 'number',
  refused: { counts: true },
  ended: { counts: true },
  bytesIn: 'number',
  bytesOut: 'number',
  itemsIn: 'number',
  itemsOut: 'number',
})
const CONNECTION = members({
  id: 'number',
  address: nullable('string'),
  port: 'number or null',
  worker: 'number or null',
  duration: 'number',
  bytesIn: 'number',
  bytesOut: 'number',
  heldBytes: 'number',
  pendingBytes: 'number',
  waitsFor: CULPRIT,
  waitedFor: 'number',
})
const STAGE = members({
  index: 'number',
  name: 'string',
  in: windows(AMOUNT),
  errors: 'number',
  shares: members({ last1s: SHARES, last10s: SHARES, last60s: SHARES }),
  activeShares: SHARES,
  itemTime: nullable(members({ median: 'number', p99: 'number' })),
  held: AMOUNT,
  dropped: 'number',
})
const PROCESS = members({
  pid: 'number',
  eventLoopDelay: nullable(members({ p99: 'number' })),
  memory: members({ rss: 'number', heapUsed: 'number' }),
  descriptors: members({ held: 'number', capacity: 'number or null' }),
})

/** The members of a status that are shown. Others may come with a later release. */
const STATUS = members({
  version: 'number',
  name: 'string',
  state: 'string',
  observe: 'string',
  observedFor: 'number',
  connections: members({ open: 'number', handshaking: 'number', limit: 'number or null' }),
  traffic: windows(TRAFFIC),
  stages: { list: STAGE },
  culprit: CULPRIT,
  slowest: { list: CONNECTION },
  largest: { list: CONNECTION },
  hubs: { list: members({ name: 'string', subscribers: 'number', lagging: 'number', losses: 'number' }) },
  upstreams: {
    list: members({ address: 'string', open: 'number', connects: 'number', failures: 'number' }),
  },
  workers: { list: members({ number: 'number', state: 'string', connections: 'number', culprit: CULPRIT }) },
  process: PROCESS,
})

/** Whether a value that came as JSON is a status, as far as it is shown. */
export function isStatus(value: unknown): value is Status {
  return fits(value, STATUS)
}

/** The version that a value claims to have as a status; undefined where it claims none. */
export function versionOf(value: unknown): number | undefined {
  const { version } = Object(value) as { readonly version?: unknown }
  return typeof version === 'number' ? version : undefined
}

function members(names: Readonly<Record<string, Shape>>): Shape {
  return { members: names }
}

function nullable(shape: Shape): Shape {
  return { nullable: shape }
}

function windows(shape: Shape): Shape {
  const last = nullable(shape)
  return members({ total: shape, last1s: last, last10s: last, last60s: last })
}

function fits(value: unknown, shape: Shape): boolean {
  if (shape === 'number or null') return value === null || typeof value === 'number'
  if (typeof shape === 'string') return typeof value === shape
  if ('nullable' in shape) return value === null || fits(value, shape.nullable)
  if ('list' in shape) return Array.isArray(value) && value.every(each => fits(each, shape.list))
  if (typeof value !== 'object' || value === null) return false
  if ('counts' in shape) return Object.values(value).every(each => typeof each === 'number')
  return Object.entries(shape.members).every(([name, each]) =>
    fits((value as Readonly<Record<string, unknown>>)[name], each),
  )
}
