import { channel } from 'node:diagnostics_channel'
import type { AddressInfo } from 'node:net'
import type { Connection } from '../connection.js'
import type { BywashError, RefusedError } from '../errors.js'
import type { Outcome } from '../outcome.js'

/** Payload of `bywash:connection:open`: a connection begins to be served; its handshake, if there is one, follows. */
export interface ConnectionOpenEvent {
  readonly connection: Connection
}

/** Payload of `bywash:connection:close`: an opened connection is over. There is one for each `bywash:connection:open`. */
export interface ConnectionCloseEvent {
  readonly connection: Connection
  readonly outcome: Outcome
}

/** Payload of `bywash:connection:error`: an error has ended a connection; `bywash:connection:close` follows. */
export interface ConnectionErrorEvent {
  readonly connection: Connection
  readonly error: Error
  readonly outcome: Outcome
}

/** Payload of `bywash:stage:error`: what `onError` is told: an error of a stage, or a fault of the client that it reports. */
export interface StageErrorEvent {
  readonly connection: Connection
  readonly error: BywashError
  /** Name of the stage; undefined where the error names none. */
  readonly stage: string | undefined
}

/** Payload of `bywash:listener:open` and `bywash:listener:close`. */
export interface ListenerEvent {
  /** As `listener.address`. */
  readonly address: AddressInfo
  /** As `listener.worker`. */
  readonly worker: number | undefined
}

/** Payload of `bywash:listener:refuse`: a connection was refused before it was served, so it is never opened. */
export interface ListenerRefuseEvent {
  readonly address: AddressInfo
  readonly connection: Connection
  readonly error: RefusedError
}

const CONNECTION_OPEN = channel('bywash:connection:open')
const CONNECTION_CLOSE = channel('bywash:connection:close')
const CONNECTION_ERROR = channel('bywash:connection:error')
const LISTENER_OPEN = channel('bywash:listener:open')
const LISTENER_CLOSE = channel('bywash:listener:close')
const LISTENER_REFUSE = channel('bywash:listener:refuse')

/** The channel of what `onError` is told; the driver asks it before it makes an error. */
export const STAGE_ERROR = channel('bywash:stage:error')

// Each of these makes its payload only where somebody listens: a check costs 7 ns.

/** Whether somebody listens to connections, so that their addresses must be kept. */
export function connectionsAreListenedTo(): boolean {
  return CONNECTION_OPEN.hasSubscribers || CONNECTION_CLOSE.hasSubscribers || CONNECTION_ERROR.hasSubscribers
}

export function publishOpen(connection: Connection): void {
  if (CONNECTION_OPEN.hasSubscribers) CONNECTION_OPEN.publish({ connection } satisfies ConnectionOpenEvent)
}

export function publishClose(connection: Connection, outcome: Outcome): void {
  if (CONNECTION_ERROR.hasSubscribers && outcome.error !== undefined) {
    const { error } = outcome
    CONNECTION_ERROR.publish({ connection, error, outcome } satisfies ConnectionErrorEvent)
  }
  if (CONNECTION_CLOSE.hasSubscribers) {
    CONNECTION_CLOSE.publish({ connection, outcome } satisfies ConnectionCloseEvent)
  }
}

export function publishStageError(connection: Connection, error: BywashError): void {
  if (!STAGE_ERROR.hasSubscribers) return
  const { stage } = error as { readonly stage?: string }
  STAGE_ERROR.publish({ connection, error, stage } satisfies StageErrorEvent)
}

export function publishListener(event: 'open' | 'close', listener: ListenerEvent): void {
  const channel = event === 'open' ? LISTENER_OPEN : LISTENER_CLOSE
  if (!channel.hasSubscribers) return
  const { address, worker } = listener
  channel.publish({ address, worker } satisfies ListenerEvent)
}

export function publishRefuse(
  acceptor: { readonly address: AddressInfo },
  connection: Connection,
  error: RefusedError,
): void {
  if (LISTENER_REFUSE.hasSubscribers) {
    const { address } = acceptor
    LISTENER_REFUSE.publish({ address, connection, error } satisfies ListenerRefuseEvent)
  }
}
