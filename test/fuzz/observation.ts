import { constants, inflateRawSync } from 'node:zlib'
import type { PlanMode } from '../../lib/engine/planned-stage.js'
import {
  type BywashError,
  Connection,
  type Kind,
  listen,
  type Outcome,
  type Pipeline,
  type Reason,
} from '../../lib/index.js'
import { finishAll, sideWritesOf } from '../../lib/side-writes.js'
import type { Passed } from '../../lib/stage-counts.js'
import { connect } from '../../lib/testing/index.js'
import { after, turn } from '../../lib/testing/turns.js'
import { counted as countedPipeline } from '../faults/pipelines.js'
import { identity } from '../transports/certificates.js'
import { CLIENTS, visit } from './clients.js'
import type { FuzzCase } from './fuzz-case.js'
import { type Factories, pipelineOf } from './stage-list.js'

/** What was seen of one connection. */
export interface Observation {
  /** What ran. */
  readonly label: string
  /** What the client received; without the farewell, and read, where it is gzip. */
  readonly received: Buffer
  readonly reason: Reason | undefined
  readonly error: BywashError | undefined
  /** What `onError` heard. */
  readonly heard: readonly string[]
  /**
   * The counts of each stage; of bytes without the number of chunks, since how those are cut means nothing, and of gzip
   * without its length, which depends on time.
   */
  readonly counts: readonly StageCount[]
  /** What may never be. */
  readonly faults: readonly string[]
}

/** What went into a stage, and came out of it, as text. */
export interface StageCount {
  readonly name: string
  readonly text: string
}

/** The time after which a connection that is not over hangs. */
const HANG_MS = 20_000

/** The time without progress after which a client counts as gone that has left. */
const GONE_MS = 100

const NO_DEADLINES = { frameTimeout: 0, drainTimeout: 0 } as const

/** What the callbacks of a connection, or of a listener, have told. */
class Listener {
  readonly heard: string[] = []
  readonly outcomes: Outcome[] = []
  connection: Connection | undefined
  readonly over: Promise<void>
  #onOver = () => {}

  constructor() {
    this.over = new Promise(resolve => {
      this.#onOver = resolve
    })
  }

  readonly onError = (error: BywashError): void => void this.heard.push(textOf(error))

  readonly onOutcome = (outcome: Outcome, connection: Connection): void => {
    this.outcomes.push(outcome)
    this.connection = connection
    this.#onOver()
  }
}

/** An error as text, with what caused it. */
export function textOf(error: Error | undefined): string {
  if (error === undefined) return 'no error'
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${(error as BywashError).code}: ${error.message}${cause}`
}

/** Runs the stages on a connection within the process. */
export async function observeInMemory(
  { stages, counted = false }: FuzzCase,
  plan: PlanMode,
  chunks: readonly Buffer[],
  factories: Factories,
  folder: string,
): Promise<Observation> {
  const told = new Listener()
  const connection = new Connection(1)
  const { pipeline, counts } = countedPipeline(pipelineOf(stages, factories, folder))
  const served = counted ? pipeline : pipelineOf(stages, factories, folder)
  const { onError } = told
  const client = connect(served, { plan, connection, onError, ...NO_DEADLINES })
  for (const chunk of chunks) client.send(chunk)
  client.end()
  const faults: string[] = []
  let received: Buffer = Buffer.alloc(0)
  try {
    received = await client.receive(undefined, { timeout: HANG_MS })
  } catch {
    faults.push('it hangs')
    client.reset()
  }
  told.onOutcome(await client.outcome, connection)
  // A copy that is not complete is reported once its file has answered.
  await finishAll(sideWritesOf(served.stages))
  await turn()
  return observation(
    `memory, ${plan}, ${cutName(chunks)}`,
    served,
    received,
    told,
    counted ? counts : undefined,
    faults,
  )
}

/** Serves the stages to a client with a socket. */
export async function observeOnSocket(
  { stages, chunks, client = 'polite', transport = 'tcp', leavesAt = 0, counted = false }: FuzzCase,
  plan: PlanMode,
  factories: Factories,
  folder: string,
): Promise<Observation> {
  const told = new Listener()
  const { pipeline, counts } = countedPipeline(pipelineOf(stages, factories, folder))
  const served = counted ? pipeline : pipelineOf(stages, factories, folder)
  const { onError, onOutcome } = told
  const controller = new AbortController()
  const listener = await listen(served, {
    host: '127.0.0.1',
    port: 0,
    plan,
    onError,
    onOutcome,
    signal: controller.signal,
    ...NO_DEADLINES,
    shutdownTimeout: HANG_MS,
    // libuv takes a RST that comes with data for a FIN, and Node never answers a write to such a client of TLS.
    ...(CLIENTS[client].isComplete ? {} : { halfCloseTimeout: GONE_MS }),
    ...(transport === 'tls' ? { tls: identity('server') } : {}),
  })
  const faults: string[] = []
  const cancel = after(HANG_MS, () => {
    faults.push('it hangs')
    controller.abort()
  })
  const received = await visit(listener.address.port, transport, CLIENTS[client], chunks, leavesAt)
  await told.over
  const { forced } = await listener.close()
  cancel()
  if (forced > 0) faults.push(`${forced} connections were left to close()`)
  if (listener.connections > 0) faults.push(`${listener.connections} connections are left`)
  return observation(
    `${transport}, ${client}, ${plan}`,
    served,
    received,
    told,
    counted ? counts : undefined,
    faults,
  )
}

function observation(
  label: string,
  served: Pipeline<Buffer, Buffer>,
  received: Buffer,
  { heard, outcomes, connection }: Listener,
  opened: { readonly opened: number; readonly closed: number } | undefined,
  faults: string[],
): Observation {
  const [outcome] = outcomes
  if (outcomes.length !== 1) faults.push(`it has ${outcomes.length} outcomes`)
  if (opened !== undefined && opened.opened !== opened.closed) {
    faults.push(`${opened.opened} were opened, and ${opened.closed} closed`)
  }
  return {
    label,
    received,
    reason: outcome?.reason,
    error: outcome?.error as BywashError | undefined,
    heard,
    counts: countsOf(served, connection),
    faults,
  }
}

function countsOf(
  served: Pipeline<Buffer, Buffer>,
  connection: Connection | undefined,
): readonly StageCount[] {
  const stages = served.explain().segments.flatMap(segment => segment.stages)
  let isGzip = false
  const show = (kind: Kind | undefined, isOfBlocks: boolean, { items, bytes }: Passed) => {
    if (isGzip) return 'gzip'
    if (kind === 'bytes') return `${bytes} bytes`
    // Plan `fused` counts the bytes of a line in a block, and plan `streams` its characters.
    return isOfBlocks ? `${items}` : `${items} of ${bytes}`
  }
  return (connection?.counts ?? []).map(({ name, in: given, out }, index) => {
    const { accepts, emits, runs } = stages[index] ?? {}
    const isOfBlocks = runs === 'on whole blocks of lines'
    const before = show(accepts, isOfBlocks, given)
    if (name === 'gzip') isGzip = true
    if (name === 'gunzip') isGzip = false
    return { name, text: `${name} ${before} > ${show(emits, isOfBlocks, out)}` }
  })
}

function cutName(chunks: readonly Buffer[]): string {
  return chunks.length > 1 ? 'cut' : 'whole'
}

/** The bytes of the header that `gzip` writes, which has no fields that may be left out. */
const GZIP_HEADER_BYTES = 10

/**
 * What can be read of gzip that may not be complete, and may have a farewell behind it. Node's Gunzip takes a farewell behind
 * an empty member for another member.
 */
export function readGzip(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f) return bytes
  return inflateRawSync(bytes.subarray(GZIP_HEADER_BYTES), { finishFlush: constants.Z_SYNC_FLUSH })
}
