import { type Clock, systemClock, type Timer, unref } from '../../clock.js'
import { type Bus, type BusConnection, type BusEvents, MAX_WAITING } from './bus.js'
import { answersInTime, NO_ANSWER } from './bus-client.js'

/** The shortest and the longest time between two attempts to connect; each is shortened by up to a half at random. */
const MIN_DELAY_MS = 200
const MAX_DELAY_MS = 10_000

/** How long a connection lasts after which the next attempt comes soon again. */
const STABLE_MS = 10_000

/** The time between two pings. A server that hangs, or a network that drops everything, closes no connection. */
const PING_INTERVAL_MS = 10_000

/** One connection to a server. It never reconnects: the bus opens another. */
export interface BusClient {
  /** Resolves when the server has the message. It throws or rejects for a message that is lost. */
  readonly publish: (channel: string, message: string) => Promise<unknown>
  /** Where it fails, the connection is closed. */
  readonly subscribe: (channel: string) => void
  readonly unsubscribe: (channel: string) => void
  /** Resolves when the server answers on each of its connections. */
  readonly ping: () => Promise<unknown>
  /** Ends the connection at once, for a reason. */
  readonly abort: (reason: Error) => void
  /** Resolves with the reason when the connection is over. */
  readonly closed: Promise<unknown>
  /** Sends what is published already, and resolves when the connection is over. */
  readonly close: () => Promise<void>
}

/** Opens a connection within some seconds, or rejects. */
export type OpenClient = (receive: BusEvents['receive']) => Promise<BusClient>

/** The bus of a server on the network. @param name - Its URL without secrets, for warnings. */
export function remoteBus(name: string, open: OpenClient, clock: Clock = systemClock): Bus {
  return { connect: events => new RemoteConnection(name, open, events, clock) }
}

/** Connects, and again with growing delays whenever the server is away. */
class RemoteConnection implements BusConnection {
  readonly #name: string
  readonly #open: OpenClient
  readonly #events: BusEvents
  readonly #clock: Clock
  readonly #channels = new Set<string>()
  #client: BusClient | undefined
  /** Messages that were published during the first attempt to connect; undefined after it. */
  #early: (readonly [channel: string, message: string])[] | undefined = []
  /** The messages of this connection that the server has not confirmed. */
  #waiting = { count: 0, size: 0 }
  #opening: Promise<void>
  #openedAt = 0
  #attempts = 0
  #retry: Timer
  #nextPing: Timer
  #isAway = false
  #lostWhileAway = 0
  #isClosed = false

  constructor(name: string, open: OpenClient, events: BusEvents, clock: Clock) {
    this.#name = name
    this.#open = open
    this.#events = events
    this.#clock = clock
    this.#opening = this.#connect()
  }

  publish(channel: string, message: string): boolean {
    const isTaken = this.#waiting.size + message.length <= MAX_WAITING && this.#take(channel, message)
    if (!isTaken) this.#lostWhileAway++
    return isTaken
  }

  subscribe(channel: string): void {
    this.#channels.add(channel)
    this.#client?.subscribe(channel)
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel)
    this.#client?.unsubscribe(channel)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#clock.clearTimeout(this.#retry)
    this.#clock.clearTimeout(this.#nextPing)
    // Messages from before the first connection are sent before it closes.
    await this.#opening
    await this.#client?.close()
  }

  #take(channel: string, message: string): boolean {
    if (this.#client !== undefined) return this.#send(this.#client, channel, message)
    if (this.#early === undefined) return false
    this.#early.push([channel, message])
    this.#waiting.size += message.length
    return true
  }

  #send(client: BusClient, channel: string, message: string): boolean {
    const waiting = this.#waiting
    const settle = (lost: number) => {
      waiting.count--
      waiting.size -= message.length
      // Messages that a connection leaves unconfirmed are counted when it closes.
      if (waiting === this.#waiting) this.#lose(lost)
    }
    try {
      client.publish(channel, message).then(
        () => settle(0),
        () => settle(1),
      )
    } catch {
      return false
    }
    waiting.count++
    waiting.size += message.length
    return true
  }

  #lose(count: number): void {
    if (count === 0) return
    this.#lostWhileAway += count
    this.#events.lose(count)
  }

  async #connect(): Promise<void> {
    try {
      const client = await this.#open((channel, message) => this.#events.receive(channel, message))
      this.#onOpen(client)
      void client.closed.then(reason => this.#onAway(reason))
    } catch (error) {
      this.#onAway(error)
    }
  }

  #onOpen(client: BusClient): void {
    const early = this.#early ?? []
    this.#early = undefined
    this.#waiting = { count: 0, size: 0 }
    this.#client = client
    this.#openedAt = this.#clock.now()
    for (const channel of this.#channels) client.subscribe(channel)
    for (const [channel, message] of early) if (!this.#send(client, channel, message)) this.#lose(1)
    this.#watch(client)
    if (!this.#isAway) return
    this.#isAway = false
    const lost = this.#lostWhileAway === 1 ? '1 item was' : `${this.#lostWhileAway} items were`
    process.emitWarning(`${this.#name} is back; ${lost} lost for other processes`)
  }

  /** Ends a connection whose server does not answer. */
  #watch(client: BusClient): void {
    if (this.#isClosed || this.#client !== client) return
    this.#nextPing = this.#clock.setTimeout(async () => {
      const isThere = await answersInTime(client.ping(), this.#clock)
      if (isThere) this.#watch(client)
      else client.abort(new Error(NO_ANSWER))
    }, PING_INTERVAL_MS)
    unref(this.#nextPing)
  }

  #onAway(reason: unknown): void {
    this.#clock.clearTimeout(this.#nextPing)
    const isLasting = this.#client !== undefined && this.#clock.now() - this.#openedAt >= STABLE_MS
    this.#client = undefined
    if (!this.#isAway) this.#lostWhileAway = 0
    const unsent = this.#waiting.count + (this.#early?.length ?? 0)
    this.#early = undefined
    this.#waiting = { count: 0, size: 0 }
    this.#lose(unsent)
    if (this.#isClosed) return
    if (!this.#isAway) {
      this.#isAway = true
      process.emitWarning(
        `${this.#name} is away (${describe(reason)}): until it is back, rooms work in this process alone`,
      )
    }
    if (isLasting) this.#attempts = 0
    const delay = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#attempts++)
    this.#retry = this.#clock.setTimeout(
      () => {
        this.#opening = this.#connect()
      },
      delay * (1 - Math.random() / 2),
    )
    unref(this.#retry)
  }
}

function describe(reason: unknown): string {
  if (!(reason instanceof Error)) return 'the connection was closed'
  // The error of several addresses has only a code.
  return reason.message || String((reason as NodeJS.ErrnoException).code)
}
