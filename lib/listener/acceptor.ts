import type { AddressInfo } from 'node:net'
import type { Dispatcher } from './dispatcher.js'

/** Where the connections of a listener come from: a server of this process or, in a worker, the primary. */
export interface Acceptor {
  readonly address: AddressInfo
  /** How many connections were refused so far. */
  readonly refused: number
  /** The number of this worker, in one. */
  readonly worker: number | undefined
  /** Begins to hand over connections. `close` closes the listener. */
  open: (dispatcher: Dispatcher, close: (options: { readonly timeout: number }) => void) => void
  suspend: () => void
  resume: () => Promise<void>
  /** Hands over nothing more; `served` resolves when the dispatcher has closed, with how many connections were cut off. */
  close: (served: Promise<number>) => Promise<void>
}
