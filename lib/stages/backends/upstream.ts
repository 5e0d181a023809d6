import type { Socket } from 'node:net'
import { MAX_TIMEOUT_MS } from '../../clock.js'
import { type Connection, resetDuplex } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { type BywashError, UpstreamError } from '../../errors.js'
import { confirmEnd } from '../../net/confirm-end.js'
import { encodeProxyHeader } from '../../net/proxy-header.js'
import { formatDuration } from '../../options/format-duration.js'
import { choice, integer, orCode, text } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import type { Outcome } from '../../outcome.js'
import {
  type Controller,
  type HoldingController,
  holdsChunk,
  internalStage,
  type Transformer,
  type TransformerStage,
  unanswered,
  working,
} from '../../stage.js'
import { Bridge } from './bridge.js'
import { Dial, type DialSettings } from './dial.js'
import { isAddressList, type Server, serversOf, type UpstreamAddress } from './server-list.js'
import { systemText } from './system-text.js'
import { UPSTREAM_TLS_OPTIONS, upstreamTls } from './upstream-tls.js'

/** Bytes that the sockets of one connection keep: two reads and a mark to the server, and two reads from it. */
const KEPT_BYTES = 327_680

/** The options; exported, so that an editor shows their help. */
export const UPSTREAM_OPTIONS = {
  connectTimeout: integer({
    unit: 'ms',
    minimum: 1,
    maximum: MAX_TIMEOUT_MS,
    default: 5_000,
    help: 'how long the lookup of the name, the connection and the TLS handshake may take together, for each address',
  }),
  proxyProtocol: choice([1, 2], {
    help: 'sends a header of the PROXY protocol in front of everything, of version 1 (text) or 2 (binary), so that the server learns the address of the client; it must expect one',
    absent: 'none',
  }),
  ...UPSTREAM_TLS_OPTIONS,
}

/** Options of `upstream()`. Times are in milliseconds. */
export interface UpstreamOptions extends OptionsOf<typeof UPSTREAM_OPTIONS> {}

/**
 * Connects each client to another server: bytes to bytes. The stages before it see what the client sends, those behind it what
 * the server answers, so a list with nothing else is a TCP proxy.
 *
 * The end of each direction passes by itself (half-close), and a slow reader on either side holds back only what goes to it. A
 * server that cannot be reached ends the connection with the outcome `upstream-error` and a farewell; one that resets the
 * connection resets that of the client, so that an answer which was cut off does not look complete. A client that resets, or
 * whose connection fails, resets that to the server.
 *
 * @param address - `host:port`, the path of a unix socket, or several of them, which are tried in turn for each connection:
 * a list, or a text with commas. `tls://host:port` asks for TLS.
 * @throws InvalidOptionError for what is no address, an option that does not exist or a value that is not allowed.
 * @example
 * await listen(pipeline().through(upstream('redis.local:6379')), { port: 6379 })
 * const shouting = pipeline().through(upstream(['a.local:80', 'b.local:80'])).through(lines()).through(uppercase()).through(toLines())
 */
export const upstream = defineStage({
  name: 'upstream',
  summary: 'passes the connection on to another server, and gives what it answers',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { keeps: KEPT_BYTES },
  arguments: [
    {
      address: orCode<Exclude<UpstreamAddress, string> | readonly UpstreamAddress[], string, 'required'>(
        text({
          required: true,
          minimum: 1,
          help: 'host:port or the path of a unix socket; several with commas between them are tried in turn, and tls:// in front asks for TLS',
        }),
        {
          inCode: 'an address or a list of them',
          isCode: isAddressList,
          wants: 'is host:port, the path of a unix socket, or a list of them',
        },
      ),
    },
  ],
  options: UPSTREAM_OPTIONS,
  examples: ['upstream redis.local:6379', "upstream 'a.local:8443,b.local:8443' --tls --tls-ca ca.pem"],
  make: ({ address, connectTimeout, proxyProtocol, ...tls }) => {
    const servers = serversOf(address)
    const settings: DialSettings = {
      servers,
      connectTimeout,
      tls: upstreamTls(tls),
    }
    return internalStage<Buffer, Buffer>({
      name: 'upstream',
      accepts: 'bytes',
      emits: 'bytes',
      asks: proxyProtocol !== undefined,
      detached: true,
      passesOn: true,
      statusSource: { of: settings, upstreams: () => servers.map(({ counts }) => counts.status) },
      waits: 'for its server, until that takes more and when the client has ended',
      open: connection => new Upstream(settings, connection, proxyProtocol),
    })
  },
}) as StageFactory<
  (
    address: UpstreamAddress | readonly UpstreamAddress[],
    options?: UpstreamOptions,
  ) => TransformerStage<Buffer, Buffer>
>

/** A connection that is open. */
interface Open {
  readonly socket: Socket
  /** The address of the server. */
  readonly name: string
  readonly bridge: Bridge
}

/** The connection to a server, for one connection of a client. */
class Upstream implements Transformer<Buffer, Buffer> {
  readonly #settings: DialSettings
  readonly #connection: Connection
  /** The bytes to send in front of everything. */
  readonly #header: Buffer | undefined
  #dial: Dial | undefined
  #open: Open | undefined

  constructor(settings: DialSettings, connection: Connection, proxyProtocol: 1 | 2 | undefined) {
    this.#settings = settings
    this.#connection = connection
    this.#header = proxyProtocol && headerOf(proxyProtocol, connection)
  }

  start(controller: Controller<Buffer>): void {
    const holding = controller as HoldingController<Buffer>
    holding.hold()
    this.#dial = new Dial(this.#settings, this.#header, this.#connection.clock, {
      connected: (socket, { name }: Server) => {
        const bridge = new Bridge(holding, socket, socket)
        socket.on('end', () => confirmEnd(socket, () => bridge.end()))
        socket.on('error', cause => {
          const what = `lost ${name}: ${systemText(cause)}.`
          controller.error(new UpstreamError('upstream', what, true, { cause }))
        })
        this.#open = { socket, name, bridge }
        holding.release()
      },
      failed: (why, cause) => {
        controller.error(new UpstreamError('upstream', `cannot connect to ${why}.`, false, { cause }))
      },
    })
  }

  // The transformer holds until it is connected, so none of these is called before.

  transform(chunk: Buffer): void {
    ;(this.#open as Open).bridge.take(chunk)
  }

  readComplete(): void {
    this.#open?.bridge.write()
  }

  flush(): void {
    ;(this.#open as Open).bridge.flush()
  }

  [working](): boolean {
    return this.#open?.bridge.isAwaited === true
  }

  [holdsChunk](): boolean {
    return this.#open?.bridge.holdsChunk === true
  }

  [unanswered](time: number): BywashError {
    const { name = 'a connection', bridge } = this.#open ?? {}
    const what = `has waited ${formatDuration(time)} for ${name}, which neither takes nor answers anything.`
    return new UpstreamError('upstream', what, bridge !== undefined && bridge.answered > 0)
  }

  close({ reason }: Outcome): void {
    this.#dial?.cancel()
    if (this.#open === undefined) return
    const { socket, bridge } = this.#open
    const isCutOff = !bridge.isComplete && reason !== 'terminated' && reason !== 'shutdown'
    // Half a request must not look complete, and nobody waits for the answer to a whole one.
    if (isCutOff) resetDuplex(socket)
    else socket.destroy()
  }
}

/** Made when the connection opens: later the system may not know the addresses any more. */
function headerOf(version: 1 | 2, connection: Connection): Buffer {
  const { remoteAddress, remotePort, localAddress, localPort } = connection
  return encodeProxyHeader(version, {
    source: { address: remoteAddress, port: remotePort },
    destination: { address: localAddress, port: localPort },
  })
}
