import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { type Clock, unref } from '../../clock.js'
import { InvalidOptionError } from '../../errors.js'
import { choice, orCode } from '../../options/option.js'
import { givenOptions } from '../../options/option-values.js'

/** How long an attempt to connect may take. */
export const CONNECT_TIMEOUT_MS = 5_000

/** The time that a server may take to answer a ping. */
const ANSWER_TIMEOUT_MS = 5_000

/** The reason when it takes longer. */
export const NO_ANSWER = 'it does not answer'

const OPTIONS = {
  tls: orCode<ConnectionOptions, never, 'optional'>(
    choice([], { help: 'options of the TLS connection, such as `ca`' }),
    {
      inCode: 'options of tls.connect()',
      isCode: value => typeof value === 'object' && value !== null,
      wants: 'is an object with options of tls.connect()',
    },
  ),
}

/** Options of `redis()` and `nats()`. */
export interface BusServerOptions {
  /** Options of the TLS connection, those of `tls.connect()`, such as `ca`. With them the connection is one with TLS. */
  readonly tls?: ConnectionOptions
}

/** The place and the user that the URL of a bus names. */
export interface BusAddress {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
  readonly tls: ConnectionOptions | undefined
  /** The URL without user and password. */
  readonly shown: string
}

/** The form of the URLs of a kind of bus. */
export interface UrlKind {
  readonly owner: string
  /** Its schemes, the one with TLS last. */
  readonly schemes: readonly [string, string]
  readonly port: number
}

/** Reads a URL and the options beside it. */
export function readBusAddress(kind: UrlKind, url: string, options: BusServerOptions): BusAddress {
  const { owner, schemes, port } = kind
  const [scheme, tlsScheme] = schemes
  const { tls } = givenOptions(owner, OPTIONS, options) as BusServerOptions
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !schemes.some(each => parsed.protocol === `${each}:`) || parsed.hostname === '') {
    throw new InvalidOptionError(
      `${owner}: the URL is one such as ${scheme}://127.0.0.1:${port}, or begins with ${tlsScheme}:// for TLS.`,
    )
  }
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || port),
    username: decode(parsed.username),
    password: decode(parsed.password),
    tls: tls ?? (parsed.protocol === `${tlsScheme}:` ? {} : undefined),
    shown: `${parsed.protocol}//${parsed.host}`,
  }
}

/** Decodes percent escapes; a text with a wrong one stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Fails when the package of a client is not installed. */
export function requirePackage(owner: string, name: string): void {
  try {
    // A bundle in CommonJS has no such function, and fails when it connects.
    import.meta.resolve?.(name)
  } catch {
    throw new InvalidOptionError(
      `${owner} needs the package '${name}', which is not installed. Install it with: npm install ${name}`,
    )
  }
}

/** Loads the package of a client. The name is no literal, so that bundlers leave an optional package alone. */
export function loadPackage<Module>(name: string): Promise<Module> {
  return import(name) as Promise<Module>
}

/** Resolves with false when a server has not answered within 5 s. What it refuses is an answer, and so is the end of a connection. */
export function answersInTime(answer: Promise<unknown>, clock: Clock): Promise<boolean> {
  return new Promise(resolve => {
    const timer = clock.setTimeout(() => resolve(false), ANSWER_TIMEOUT_MS)
    unref(timer)
    const settle = () => {
      clock.clearTimeout(timer)
      resolve(true)
    }
    answer.then(settle, settle)
  })
}

/** Lets the process end while a socket is open, and notices a peer that is gone without a word. */
export function letGo(socket: Socket | undefined): void {
  socket?.setKeepAlive(true, 30_000)
  socket?.unref()
}
