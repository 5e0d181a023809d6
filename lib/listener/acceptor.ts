import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionSettings } from '../engine/connection-options.js'
import type { Dispatcher } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'

/** Source of a listener's connections: a server of this process or, in a worker, the primary. */
export interface Acceptor {
  readonly address: AddressInfo
  /** Connections refused so far. */
  readonly refused: number
  /** Number of this worker, from 1 up; undefined in a process that is no worker. */
  readonly worker: number | undefined
  /** False while it is suspended, and when it is closed. */
  readonly isListening: boolean
  /** Starts to hand connections to `dispatcher`. In a worker, `close` is called when the primary closes the listener. */
  open: (dispatcher: Dispatcher, close: (options: { readonly timeout: number }) => void) => void
  /** Hands over a connection that comes from elsewhere, or refuses it, as one of its own. */
  take: (duplex: Duplex) => void
  suspend: () => Promise<void>
  resume: () => Promise<void>
  /** Goes on with other settings, of which those of the listening socket are the same. */
  change: (settings: ListenSettings, connections: ConnectionSettings) => void
  /** Frees the address for good; resolves when it is free. */
  retire: () => Promise<void>
  /** Resolves when every connection that was accepted has been handed over or refused. */
  settled: () => Promise<void>
  /** Stops handing over connections. `served` is what the dispatcher's `close()` has returned. */
  close: (served: Promise<number>) => Promise<void>
}
