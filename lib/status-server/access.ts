import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isLoopback, type StatusServerSettings } from './status-options.js'

/** An answer other than 200. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 503
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The rules of who may ask. */
export class Access {
  readonly #isOpenToBrowsers: boolean
  readonly #token: Buffer | undefined

  readonly #allowsTap: boolean

  constructor({ token, isOpenToBrowsers, allowTap }: StatusServerSettings) {
    this.#allowsTap = allowTap
    this.#isOpenToBrowsers = isOpenToBrowsers
    this.#token = token === undefined ? undefined : digest(token)
  }

  /** Why a request is refused, whatever it asks for. */
  refusalOf({ method, headers }: IncomingMessage): Refusal | undefined {
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, text: 'Only GET and HEAD.', headers: { Allow: 'GET, HEAD' } }
    }
    if (this.#isOpenToBrowsers && !namesThisMachine(headers.host)) {
      return { status: 403, text: 'The Host of the request is not localhost, 127.0.0.1 or [::1].' }
    }
    // A script of another page could not read the answer, but could take up the place of a reader.
    const { 'sec-fetch-site': site = 'none', 'sec-fetch-mode': mode } = headers
    if (site !== 'none' && site !== 'same-origin' && mode !== 'navigate') {
      return { status: 403, text: 'Requests of other pages are not answered.' }
    }
    return undefined
  }

  /** Why a request does not get what the token protects. */
  tokenRefusalOf({ headers }: IncomingMessage): Refusal | undefined {
    if (this.#token === undefined) return undefined
    const [, given = ''] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? []
    if (timingSafeEqual(digest(given), this.#token)) return undefined
    return {
      status: 401,
      text: "Give the token of the status server: 'Authorization: Bearer TOKEN'.",
      headers: { 'WWW-Authenticate': 'Bearer realm="bywash status"' },
    }
  }

  /** Why a request may not see what clients send. */
  get tapRefusal(): Refusal | undefined {
    if (this.#allowsTap) return undefined
    return {
      status: 403,
      text:
        "Taps are off, since they show what clients send. Start the server with --allow-tap, or give it 'allowTap: true' " +
        "under 'status:' in its file, or in the options of serveStatus().",
    }
  }
}

/** Tokens are compared by digests, which have one length. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Whether a `Host` cannot be a name that somebody else lets point to this machine (DNS rebinding). */
function namesThisMachine(host = ''): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host) ?? []
  return isLoopback(name)
}
