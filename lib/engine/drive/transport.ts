import type { Duplex } from 'node:stream'
import type { Reason } from '../../outcome.js'
import type { Plan } from '../plan.js'

/** Properties of a duplex that a driver reads, where it has them. */
export interface Transport {
  /** Internals of a socket. */
  readonly _handle?:
    | { readonly writeQueueSize?: number; readonly getAsyncId?: () => number }
    | null
    | undefined
  /** The socket below a TLS socket, which has no queue of its own. */
  readonly _parent?: Transport | null | undefined
  /** Ends a socket of TCP with a RST. */
  readonly resetAndDestroy?: () => unknown
  /** Is told why the connection ends, before it is: a transport such as a WebSocket says so to the peer. */
  readonly setReason?: (reason: Reason) => void
  /** Is told which list comes next, behind the output of the one before it: the borders of messages may be others then. */
  readonly follow?: (plan: Plan) => void
  /** Whether a message has begun that is not complete, in a transport that has messages. */
  readonly isUnfinished?: boolean
}

export type DrivenDuplex = Duplex & Transport
