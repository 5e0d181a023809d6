import type { ConnectionSettings } from '../engine/connection-options.js'
import type { Plan } from '../engine/plan.js'
import type { Handshakes } from '../engine/tls/handshakes.js'
import type { Tally } from '../status/tally.js'
import type { ListenSettings } from './listen-options.js'
import type { Upgrades } from './websocket/upgrades.js'

/** Checked and loaded settings with which a process serves the connections of a listener. */
export interface LocalSettings {
  readonly plan: Plan
  readonly settings: ListenSettings
  readonly connections: ConnectionSettings
  readonly handshakes: Handshakes | undefined
  readonly upgrades: Upgrades | undefined
  /** Where connections are counted. @default in the book of the dispatcher */
  readonly tally?: Tally
}
