import type { AddressInfo } from 'node:net'
import type { Endpoints } from '../../connection.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Reason } from '../../outcome.js'
import type { Status } from '../../status/status.js'
import type { TapEvent } from '../../status/taps/tap-event.js'
import type { TapSettings } from '../../status/taps/tap-options.js'
import type { Place } from './threads/shared-listener.js'

// The messages of the primary and its workers. Scripts may send messages of their own over the same channel, so each of
// ours has the property `bywash`.

/** The name of the listener that a message is about; see listener-names.ts. */
interface ForListener {
  readonly listener: string
}

/** The facts about a connection that a worker is sent with its socket. */
export interface ServedConnection {
  readonly id: number
  /** 1 for the first connection of the listener, then rising by one. */
  readonly number: number
  /** The addresses of its PROXY header, where the listener reads one. */
  readonly ends?: Endpoints
  /** Bytes that came behind the header, in base64. */
  readonly head?: string
}

/** Message of the primary about one listener. */
export type PrimaryListenerMessage =
  /** The answer to `ready`. `tls` is present if the certificate has been replaced since the primary started. */
  | (ForListener & { readonly bywash: 'bound'; readonly address: AddressInfo; readonly tls?: TlsOptions })
  /** What the worker is to make a listener of, and then other options and another pipeline for it. Messages are JSON. */
  | (ForListener & { readonly bywash: 'define' | 'change'; readonly definition: unknown })
  /** The answer to `join`: what a thread needs to open its server. */
  | (ForListener & { readonly bywash: 'place'; readonly place: Place })
  /** Orders to a thread: to accept nothing, and to accept again, which it answers with `suspended` and `resumed`. */
  | (ForListener & { readonly bywash: 'suspend' | 'resume' })
  /** A connection to serve; its socket comes with the message. */
  | (ForListener & ServedConnection & { readonly bywash: 'serve' })
  /** New TLS options. */
  | (ForListener & { readonly bywash: 'secure'; readonly tls: TlsOptions })
  /** A request for the status of the listener in the worker. */
  | (ForListener & { readonly bywash: 'look' })
  /** A tap to attach, by its number. */
  | (ForListener & { readonly bywash: 'tap'; readonly tap: number; readonly settings: TapSettings })
  /** The tap with this number ends. */
  | (ForListener & { readonly bywash: 'untap'; readonly tap: number })
  /** The answer to `count`. */
  | (ForListener & { readonly bywash: 'total'; readonly total: number })
  | (ForListener & { readonly bywash: 'close'; readonly timeout: number })
  /** The answer to `closed`, and the last message about this listener. */
  | (ForListener & { readonly bywash: 'dismissed' })

/** Message of the primary to a worker. */
export type PrimaryMessage = PrimaryListenerMessage | { readonly bywash: 'ping' }

/** Message of a worker about one listener. */
export type WorkerListenerMessage =
  /** A thread asks for what it needs to open its server. */
  | (ForListener & { readonly bywash: 'join' })
  /** A thread accepts no more. */
  | (ForListener & { readonly bywash: 'suspended' })
  /** A thread accepts again, or cannot. */
  | (ForListener & { readonly bywash: 'resumed'; readonly error: string | undefined })
  /** The answer to `change`; with an error the listener is as it was. */
  | (ForListener & { readonly bywash: 'changed'; readonly error: string | undefined })
  /** The script has called `listen()`: the worker can serve connections. */
  | (ForListener & { readonly bywash: 'ready' })
  /** The worker has received the socket of `serve`; the connection may not go to another worker any more. */
  | (ForListener & { readonly bywash: 'taken'; readonly id: number })
  /** A connection is closed. */
  | (ForListener & { readonly bywash: 'over'; readonly id: number; readonly reason: Reason })
  /** A request for the number of connections so far. */
  | (ForListener & { readonly bywash: 'count' })
  /** The answer to `look`. */
  | (ForListener & { readonly bywash: 'status'; readonly status: Status })
  /** An event of a tap. */
  | (ForListener & { readonly bywash: 'tapped'; readonly tap: number; readonly event: TapEvent })
  /** The worker takes no more connections, nor those that have been sent and not been taken yet. */
  | (ForListener & { readonly bywash: 'leaving' })
  /** All connections of the listener in this worker are closed; `forced` of them were destroyed. */
  | (ForListener & { readonly bywash: 'closed'; readonly forced: number })

/** Message of a worker that the primary passes on to the others: what was published to the room of a hub. */
export interface RoomMessage {
  /** The room, and the topic of it. */
  readonly bywashRoom: string
  readonly message: string
}

/** Message of a worker to the primary. */
export type WorkerMessage =
  | WorkerListenerMessage
  | { readonly bywash: 'pong' }
  /** The worker opens the listeners that are defined for it. */
  | { readonly bywash: 'follow' }
