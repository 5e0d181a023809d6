import type { Socket } from 'node:net'
import { type Clock, MAX_TIMEOUT_MS, systemClock, unref } from '../../clock.js'
import type { Bus } from './bus.js'
import {
  type BusAddress,
  type BusServerOptions,
  CONNECT_TIMEOUT_MS,
  letGo,
  loadPackage,
  readBusAddress,
  requirePackage,
} from './bus-client.js'
import { type OpenClient, remoteBus } from './remote-bus.js'

const PACKAGE = '@nats-io/transport-node'

interface NatsSubscription {
  unsubscribe(): void
}

/** The part of a connection of `@nats-io/transport-node` that a bus uses. */
export interface NatsClient {
  publish(subject: string, message: string): void
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: { string(): string }) => void },
  ): NatsSubscription
  flush(): Promise<void>
  close(): Promise<void>
  closed(): Promise<unknown>
}

/** The parts of a NATS connection that keep the process alive. The package has no option for them. */
interface NatsInternals {
  readonly protocol?: {
    readonly transport?: { readonly socket?: Socket }
    readonly heartbeats?: { readonly timer?: unknown }
  }
}

/** The module `@nats-io/transport-node`. */
export interface NatsModule {
  readonly connect: (options: object) => Promise<NatsClient>
}

/**
 * A bus for hubs: NATS carries what is published to hubs of the same name in other processes. It needs the package
 * `@nats-io/transport-node`, which is loaded when a hub first connects. While the server is away, rooms go on in each
 * process. A message that is longer than the server's `max_payload` (1 MB) is lost for other processes.
 *
 * @param url - Such as `nats://user:password@127.0.0.1:4222`, `nats://token@127.0.0.1:4222`, or `tls://` for TLS.
 * @throws InvalidOptionError for another URL, and when the package is not installed.
 * @example
 * const room = hub<string>({ name: 'lobby', via: nats('nats://127.0.0.1:4222') })
 */
export function nats(url: string, options: BusServerOptions = {}): Bus {
  const address = readBusAddress({ owner: 'nats()', schemes: ['nats', 'tls'], port: 4222 }, url, options)
  requirePackage('nats()', PACKAGE)
  return remoteBus(
    address.shown,
    natsClient(address, () => loadPackage<NatsModule>(PACKAGE)),
  )
}

/** Opens a connection. */
export function natsClient(
  address: BusAddress,
  load: () => Promise<NatsModule>,
  clock: Clock = systemClock,
): OpenClient {
  return async receive => {
    const { connect } = await load()
    const client = await connect(connectOptions(address))
    const { transport, heartbeats } = (client as NatsInternals).protocol ?? {}
    const socket = transport?.socket
    letGo(socket)
    // The client would go on to write after the server's end, and fail where nobody can catch it.
    socket?.prependOnceListener('end', () => socket.destroy())
    unref(heartbeats?.timer ?? {})
    const subscriptions = new Map<string, NatsSubscription>()
    let reason: unknown
    const end = (error: unknown) => {
      reason ??= error
      return client.close()
    }
    let flushed: Promise<void> | undefined
    return {
      publish: (channel, message) => {
        client.publish(subjectOf(channel), message)
        // One question to the server confirms all that is published in a tick.
        flushed ??= Promise.resolve().then(() => {
          flushed = undefined
          return client.flush()
        })
        return flushed
      },
      subscribe: channel => {
        const callback = (error: Error | null, message: { string(): string }) => {
          if (error === null) receive(channel, message.string())
          else void end(error)
        }
        subscriptions.set(channel, client.subscribe(subjectOf(channel), { callback }))
      },
      unsubscribe: channel => {
        subscriptions.get(channel)?.unsubscribe()
        subscriptions.delete(channel)
      },
      ping: () => client.flush(),
      abort: error => {
        reason ??= error
        socket?.destroy()
      },
      closed: client.closed().then(error => reason ?? error),
      close: async () => {
        socket?.ref()
        // A server that does not read is not waited for.
        const timer = clock.setTimeout(() => socket?.destroy(), CONNECT_TIMEOUT_MS)
        // What is published in this tick is written first.
        await Promise.resolve()
        await client.close()
        clock.clearTimeout(timer)
      },
    }
  }
}

function connectOptions({ host, port, username, password, tls }: BusAddress): object {
  const user = password === '' ? { token: username } : { user: username, pass: password }
  return {
    servers: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    ...(username === '' ? {} : user),
    ...(tls === undefined ? {} : { tls }),
    timeout: CONNECT_TIMEOUT_MS,
    // Another connection is made instead, so that nothing of this one is kept.
    reconnect: false,
    // Its pings would keep the process alive; the bus has its own.
    pingInterval: MAX_TIMEOUT_MS,
  }
}

/** A subject is made of words without blanks, dots and wildcards. */
function subjectOf(channel: string): string {
  const bytes = Buffer.from(channel).toString('latin1')
  return `bywash.${bytes.replace(/[^\w:-]/g, byte => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)}`
}
