import type { AddressInfo } from 'node:net'
import type { Reason } from '../../outcome.js'
import type { TlsOptions } from '../tls/tls-options.js'

/** Says which listener is meant; every process of a script names its listeners alike. */
interface Addressed {
  readonly listener: string
}

/** What the primary tells a worker. The script may send messages of its own, so ours have a property of our name. */
export type Order =
  /** The listener is there; `tls` where its certificates were replaced since the script began. */
  | (Addressed & { readonly bywash: 'bound'; readonly address: AddressInfo; readonly tls?: TlsOptions })
  /** Comes with a socket. */
  | (Addressed & { readonly bywash: 'serve'; readonly id: number })
  | (Addressed & { readonly bywash: 'secure'; readonly tls: TlsOptions })
  /** Answers `count`. */
  | (Addressed & { readonly bywash: 'total'; readonly total: number })
  | (Addressed & { readonly bywash: 'close'; readonly timeout: number })
  /** Answers `closed`; nothing more will come. */
  | (Addressed & { readonly bywash: 'dismissed' })
  | { readonly bywash: 'ping' }

/** What a worker tells the primary of a listener. */
export type News =
  /** Its `listen()` was called, and it can serve. */
  | (Addressed & { readonly bywash: 'ready' })
  /** It has the socket, and nobody else may serve it. */
  | (Addressed & { readonly bywash: 'taken'; readonly id: number })
  | (Addressed & { readonly bywash: 'over'; readonly id: number; readonly reason: Reason })
  /** Asks how many connections there were so far. */
  | (Addressed & { readonly bywash: 'count' })
  /** It takes no more sockets: not those either that are on their way to it. */
  | (Addressed & { readonly bywash: 'leaving' })
  | (Addressed & { readonly bywash: 'closed'; readonly forced: number })

/** What a worker tells the primary. */
export type Report = News | { readonly bywash: 'pong' }
