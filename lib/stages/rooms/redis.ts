import type { Socket } from 'node:net'
import { type Clock, systemClock } from '../../clock.js'
import type { Bus } from './bus.js'
import {
  answersInTime,
  type BusAddress,
  type BusServerOptions,
  CONNECT_TIMEOUT_MS,
  letGo,
  loadPackage,
  NO_ANSWER,
  readBusAddress,
  requirePackage,
} from './bus-client.js'
import { type OpenClient, remoteBus } from './remote-bus.js'

/** The prefix of each channel: all databases and all users of a server share its channels. */
const PREFIX = 'bywash:'

/** The part of a client of `ioredis` that a bus uses. */
export interface RedisClient {
  /** The socket, which is there once it is connected. */
  readonly stream?: Socket
  readonly status: string
  connect(): Promise<void>
  disconnect(): void
  ping(): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
}

/** The module `ioredis`. */
export interface RedisModule {
  readonly Redis: new (options: object) => RedisClient
}

/**
 * A bus for hubs: Redis (or Valkey) carries what is published to hubs of the same name in other processes. It needs the
 * package `ioredis`, which is loaded when a hub first connects. While the server is away, rooms go on in each process.
 *
 * @param url - Such as `redis://user:password@127.0.0.1:6379`, or `rediss://` for TLS.
 * @throws InvalidOptionError for another URL, and when the package is not installed.
 * @example
 * const room = hub<string>({ name: 'lobby', via: redis('redis://127.0.0.1:6379') })
 */
export function redis(url: string, options: BusServerOptions = {}): Bus {
  const address = readBusAddress({ owner: 'redis()', schemes: ['redis', 'rediss'], port: 6379 }, url, options)
  requirePackage('redis()', 'ioredis')
  return remoteBus(
    address.shown,
    redisClients(address, () => loadPackage<RedisModule>('ioredis')),
  )
}

/** Opens two connections, since one that subscribes may not publish in RESP2. When one ends, so does the other. */
export function redisClients(
  address: BusAddress,
  load: () => Promise<RedisModule>,
  clock: Clock = systemClock,
): OpenClient {
  const { host, port, username, password, tls } = address
  return async receive => {
    const { Redis } = await load()
    const options = {
      host,
      port,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(tls === undefined ? {} : { tls }),
      connectTimeout: CONNECT_TIMEOUT_MS,
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      autoResubscribe: false,
      // Another client is made instead, so that nothing of this one is kept.
      retryStrategy: () => null,
    }
    const publisher = new Redis(options)
    const subscriber = new Redis(options)
    const both = [publisher, subscriber]
    let reason: unknown
    const end = (error?: unknown) => {
      reason ??= error
      for (const client of both) if (client.status !== 'end') client.disconnect()
    }
    const ping = () => Promise.all(both.map(client => client.ping()))
    const abort = (error: Error) => {
      reason ??= error
      for (const client of both) client.stream?.destroy()
    }
    const ended = both.map(
      client =>
        new Promise<void>(resolve => {
          client.on('error', error => {
            reason ??= error
          })
          client.on('end', () => {
            resolve()
            end()
          })
        }),
    )
    subscriber.on('message', (channel, message) => receive(channel.slice(PREFIX.length), message))
    try {
      await Promise.all(both.map(client => client.connect()))
      // The system takes a connection also for a server that hangs.
      if (!(await answersInTime(ping(), clock))) {
        abort(new Error(NO_ANSWER))
        throw reason
      }
    } catch (error) {
      end(error)
      throw reason
    }
    for (const client of both) letGo(client.stream)
    return {
      publish: (channel, message) => publisher.publish(PREFIX + channel, message),
      subscribe: channel => void subscriber.subscribe(PREFIX + channel).catch(end),
      unsubscribe: channel => void subscriber.unsubscribe(PREFIX + channel).catch(end),
      ping,
      abort,
      closed: Promise.race(ended).then(() => reason),
      close: async () => {
        for (const client of both) client.stream?.ref()
        end()
        await Promise.all(ended)
      },
    }
  }
}
