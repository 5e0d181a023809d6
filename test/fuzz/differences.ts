import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BywashError } from '../../lib/index.js'
import { brief } from '../../lib/testing/show.js'
import { now, until } from '../../lib/testing/turns.js'
import { openDescriptors, PROCESS_RESOURCES } from '../../lib/testing/watch/resources.js'
import { CLIENTS } from './clients.js'
import type { FuzzCase } from './fuzz-case.js'
import { collectIncidents } from './incidents.js'
import { type Observation, observeInMemory, observeOnSocket, readGzip, textOf } from './observation.js'
import type { Factories, StageChoice } from './stage-list.js'
import { ALL_STAGES, pushesUnwaited, returnsEarly } from './waiting-stages.js'

/** The milliseconds in which descriptors that are being closed must be: threads close files. */
const CLOSING_MS = 10_000

/**
 * Runs a case on both plans, as a whole and cut, in memory and with its client, and returns what differs from plan `fused`
 * in memory with the input as a whole. Each difference is a line; there is none where all is well.
 */
export async function differences(
  tried: FuzzCase,
  factories: Factories = ALL_STAGES,
  closingTime = CLOSING_MS,
): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bywash-fuzz-'))
  const found: string[] = []
  try {
    const incidents = await collectIncidents(async () => {
      const before = openDescriptors()
      found.push(...(await compare(tried, factories, folder)))
      let after = before
      // A thread may be about to open a file, for a copy of a connection that is over.
      const isClosed = () => {
        after = openDescriptors()
        return after.size <= before.size && PROCESS_RESOURCES.pending() === 0
      }
      await until(isClosed, now() + closingTime)
      const left = [...after].filter(([name, target]) => before.get(name) !== target)
      if (after.size > before.size)
        found.push(`descriptors: left open is ${left.map(([, target]) => target)}`)
    })
    found.push(...incidents)
  } finally {
    rmSync(folder, { recursive: true })
  }
  return found
}

async function compare(tried: FuzzCase, factories: Factories, folder: string): Promise<string[]> {
  const { chunks, transport = 'memory', client = 'polite', stages } = tried
  const whole = [Buffer.concat(chunks)]
  const inMemory = (plan: 'fused' | 'streams', cut: readonly Buffer[]) =>
    observeInMemory(tried, plan, cut, factories, folder)
  const reference = readable(tried, await inMemory('fused', whole))
  const others = [await inMemory('streams', whole)]
  if (chunks.length > 1) others.push(await inMemory('fused', chunks), await inMemory('streams', chunks))
  const found = reference.faults.map(fault => `${reference.label}: ${fault}`)
  for (const other of others) found.push(...unlike(reference, readable(tried, other), stages))
  if (transport === 'memory') return found
  for (const plan of ['fused', 'streams'] as const) {
    const observed = readable(tried, await observeOnSocket(tried, plan, factories, folder))
    found.push(
      ...(CLIENTS[client].isComplete
        ? unlike(reference, observed, stages)
        : unlikeBeginning(reference, observed, stages)),
    )
  }
  return found
}

/** Where the list ends with gzip, what can be read of it counts, since its bytes depend on time. */
function readable({ stages }: FuzzCase, observed: Observation): Observation {
  if (stages.at(-1)?.[0] !== 'gzip') return observed
  try {
    return { ...observed, received: readGzip(observed.received) }
  } catch (error) {
    return { ...observed, faults: [...observed.faults, `what came is no gzip: ${(error as Error).message}`] }
  }
}

/** How a connection that must be like the reference differs from it. */
function unlike(reference: Observation, observed: Observation, stages: readonly StageChoice[]): string[] {
  const isBroken = isBrokenDeflate(reference.error) || isBrokenDeflate(observed.error)
  if (isBroken || mayDiffer(reference, observed, stages)) {
    return observed.faults.map(line => `${observed.label}: ${line}`)
  }
  const found = [...observed.faults]
  const differ = (what: string, one: string, other: string) => {
    if (one !== other) found.push(`${what}: ${other}, and not ${one}`)
  }
  differ('reason', String(reference.reason), String(observed.reason))
  differ('error', textOf(reference.error), textOf(observed.error))
  if (!reference.received.equals(observed.received)) {
    found.push(`bytes: ${brief(observed.received)}, and not ${brief(reference.received)}`)
  }
  differ('onError', brief(comparableReports(reference)), brief(comparableReports(observed)))
  const from = firstComparable(reference, stages)
  const counts = ({ counts }: Observation) =>
    counts
      .slice(from)
      .map(({ text }) => text)
      .join(', ')
  differ('counts', counts(reference), counts(observed))
  return found.map(line => `${observed.label}: ${line}`)
}

/** What `onError` heard. How many items a `tee` has lost depends, where the connection fails, on how far it was ahead. */
function comparableReports({ reason, heard }: Observation): readonly string[] {
  return reason === 'end' ? heard : heard.filter(text => !text.includes('missing in the copy'))
}

/** How a connection whose client has left, or does not read, differs from all that it may be. */
function unlikeBeginning(
  reference: Observation,
  observed: Observation,
  stages: readonly StageChoice[],
): string[] {
  const { received } = observed
  const found = [...observed.faults]
  if (
    !isBrokenDeflate(reference.error) &&
    !mayDiffer(reference, observed, stages) &&
    !reference.received.subarray(0, received.length).equals(received)
  ) {
    found.push(`bytes: ${brief(received)}, which ${brief(reference.received)} does not begin with`)
  }
  return found.map(line => `${observed.label}: ${line}`)
}

/** Whether two connections may differ because of a stage that acts at a time of its own, and not when items come. */
function mayDiffer(
  { reason, error }: Observation,
  other: Observation,
  stages: readonly StageChoice[],
): boolean {
  const isSame = reason === other.reason && textOf(error) === textOf(other.error)
  return stages.some(choice => {
    // Its return comes before the end, or a failure, of what stands before it, or behind that.
    if (returnsEarly(choice) && !isSame) return true
    // What it has not enqueued yet is lost once the connection fails or is ended by another stage.
    return pushesUnwaited(choice) && reason !== 'end' && other.reason !== 'end'
  })
}

/**
 * Whether `gunzip` found broken deflate data. How much comes out before it depends on how the input was cut, as docs/stages.md
 * says; so a stage behind it may find a fault of its own or not.
 */
function isBrokenDeflate(error: BywashError | undefined): boolean {
  return error?.message.includes('its deflate data are broken') ?? false
}

/**
 * The first stage whose counts are the same however it ran: what comes to a stage that ends the connection, or returns before
 * its input has ended, and to those before it, depends on how far they were ahead.
 */
function firstComparable({ reason, error, counts }: Observation, stages: readonly StageChoice[]): number {
  const early = counts.findLastIndex(({ name }) =>
    stages.some(each => returnsEarly(each) && each[0] === name),
  )
  if (reason === 'end') return early + 1
  const blamed = (error as { readonly stage?: string } | undefined)?.stage ?? 'take'
  const last = counts.findLastIndex(({ name }) => name === blamed)
  return last === -1 ? stages.length : Math.max(last, early) + 1
}
