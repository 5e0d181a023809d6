import fc from 'fast-check'
import { CLIENTS, type ClientName } from './clients.js'
import { cutInto, cuts, inputOf, items, mistakes } from './input.js'
import { type Factories, type StageChoice, stageList } from './stage-list.js'

/** The ways from a client to the server; `memory` is one within the process. */
export const TRANSPORTS = ['memory', 'tcp', 'tls'] as const

export type Transport = (typeof TRANSPORTS)[number]

/** One try: a list of stages, an input, and a client that sends it. */
export interface FuzzCase {
  readonly stages: readonly StageChoice[]
  /** The input, as it is cut. */
  readonly chunks: readonly Buffer[]
  /** In memory only the reference runs, whatever the client. @default 'memory' */
  readonly transport?: Transport
  /** @default 'polite' */
  readonly client?: ClientName
  /** The number of bytes behind which a client that does not send everything goes away. @default 0 */
  readonly leavesAt?: number
  /** Whether a stage behind the others counts what is opened and closed; without it more lists are rewritten. @default false */
  readonly counted?: boolean
}

/** Random cases with the stages of these factories. */
export function fuzzCases(factories: Factories): fc.Arbitrary<FuzzCase> {
  return fc
    .record({
      stages: stageList(factories),
      items,
      mistakes,
      cuts,
      transport: fc.oneof(
        { weight: 5, arbitrary: fc.constant<Transport>('memory') },
        { weight: 4, arbitrary: fc.constant<Transport>('tcp') },
        { weight: 1, arbitrary: fc.constant<Transport>('tls') },
      ),
      client: fc.constantFrom(...(Object.keys(CLIENTS) as ClientName[])),
      leavesAt: fc.nat(4000),
      counted: fc.boolean(),
    })
    .map(({ items, mistakes, cuts, leavesAt, ...rest }) => {
      const input = inputOf(rest.stages, items, mistakes)
      return { ...rest, chunks: cutInto(input, cuts), leavesAt: leavesAt % (input.length + 1) }
    })
}
