import type { ConnectionSettings } from '../engine/connection-options.js'
import type { Plan } from '../engine/plan.js'
import type { Handshakes } from '../engine/tls/handshakes.js'
import type { Tally } from '../status/tally.js'
import type { ListenSettings } from './listen-options.js'
import type { Upgrades } from './websocket/upgrades.js'

/** The part of a primary, or of a worker, in a listener that the primary defines. */
export interface WorkerPart {
  /** In the primary: gives what a worker makes the listener of, as plain data. */
  readonly define?: () => unknown
  /** In a worker: the name that the primary has given to the listener. */
  readonly name?: string
}

/** Checked and loaded settings with which a process serves the connections of a listener. */
export interface LocalSettings {
  readonly plan: Plan
  readonly settings: ListenSettings
  readonly connections: ConnectionSettings
  readonly handshakes: Handshakes | undefined
  readonly upgrades: Upgrades | undefined
  /** How its workers know the listener, where their primary defines what they serve. */
  readonly workers?: WorkerPart | undefined
  /** The place in which connections are counted. @default the book of the dispatcher */
  readonly tally?: Tally
}
