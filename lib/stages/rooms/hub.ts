import { randomUUID } from 'node:crypto'
import { type Connection, whenOver } from '../../connection.js'
import { InvalidOptionError, TooManyTopicsError } from '../../errors.js'
import { ownThread } from '../../net/thread-link.js'
import { callback, choice, integer, orCode, text } from '../../options/option.js'
import { givenOptions, type OptionsOf, settingsFrom } from '../../options/option-values.js'
import {
  type Controller,
  type HoldingController,
  internalStage,
  type Transformer,
  type TransformerStage,
} from '../../stage.js'
import type { StatusSource } from '../../status/source.js'
import type { HubStatus } from '../../status/status.js'
import { type Bus, type BusConnection, decodeMessage, encodeMessage } from './bus.js'
import { busAt } from './bus-at.js'
import { Room } from './room.js'
import { type OnSlow, Subscriber, type SubscriberSettings } from './subscriber.js'
import { workerBus } from './worker-bus.js'

/** Options of a subscriber; of a hub, they hold for each subscriber that gives none. */
export const SUBSCRIBER_OPTIONS = {
  maxPending: integer({
    unit: 'bytes',
    minimum: 1,
    default: 262_144,
    help: 'how much may wait for a subscriber that reads slowly, beside what its socket holds',
  }),
  onSlow: choice(['disconnect', 'drop-oldest', 'drop-newest'], {
    default: 'disconnect',
    help: 'what happens beyond maxPending: the connection ends as slow-consumer, or the subscriber misses items and is told how many',
  }),
} as const

export const MISSED = callback<(count: number) => unknown>({
  inCode: '(count) => item',
  help: 'makes what a subscriber is told that has missed items; undefined for nothing. By default a line `[missed 3]`, or `{ missed: 3 }` among values, and nothing among frames and bytes',
})

export const HISTORY = integer({
  default: 0,
  maximum: 100_000,
  help: 'how many of the last items a subscriber is sent when it joins',
})

/** A bus, by its URL or as an object. */
export const VIA = orCode<Bus, string, 'optional'>(
  text({
    minimum: 1,
    help: 'what carries items to hubs of the same name in other processes, such as redis://127.0.0.1:6379 or nats://127.0.0.1:4222',
  }),
  {
    inCode: 'a Bus',
    isCode: value => typeof (value as Bus | null | undefined)?.connect === 'function',
    wants: 'is the URL of a Redis or NATS server, or a Bus',
  },
)

/** Options of `hub()`. */
export const HUB_OPTIONS = {
  name: text({
    minimum: 1,
    absent: 'hub-1, hub-2 and so on',
    help: 'the name, which is that of the hub in other processes too',
  }),
  history: HISTORY,
  ...SUBSCRIBER_OPTIONS,
  missed: MISSED,
  maxTopics: integer({
    minimum: 1,
    default: 10_000,
    help: 'how many topics may have subscribers at a time; one more fails the connection that asks for it',
  }),
  via: VIA,
}

/** How a subscriber is treated that reads slowly. */
export interface SubscriberOptions<T> {
  /** How many bytes may wait for it, beside what its socket holds. @default that of the hub, 262144 */
  readonly maxPending?: number
  /** The outcome for a subscriber beyond that. @default that of the hub, 'disconnect' */
  readonly onSlow?: OnSlow
  /** Makes what it is told when it has missed items. @default that of the hub */
  readonly missed?: (count: number) => T | undefined
}

/** The stage of a hub or a topic. */
export interface BroadcastOptions<T> extends SubscriberOptions<T> {
  /** Whether the publisher gets the item too. @default false */
  readonly echo?: boolean
}

/** Subscribers that get what is published. */
export interface Topic<T> {
  readonly name: string
  /** The number of subscribers in this process. */
  readonly size: number
  /**
   * Sends an item to all subscribers, but for `except`. It never waits, whatever they read.
   *
   * @example
   * setInterval(() => room.publish('tick'), 1000).unref()
   */
  readonly publish: (item: T, options?: { readonly except?: Connection }) => void
  /**
   * Joins for a connection: what is published is enqueued with `controller`. The connection leaves when it is over, or when
   * the function is called that this returns.
   *
   * @throws TooManyTopicsError when the hub has `maxTopics` topics with subscribers.
   */
  readonly subscribe: (
    connection: Connection,
    controller: Controller<T>,
    options?: SubscriberOptions<T>,
  ) => () => void
  /** A stage that publishes the items which come, and gives what others publish. */
  readonly stage: (options?: BroadcastOptions<T>) => TransformerStage<T, T>
}

/** Subscribers on many connections, and in other processes where it has a bus or the listener has workers. */
export interface Hub<T> extends Topic<T> {
  /** A topic of the hub, with subscribers of its own. It takes memory while it has subscribers. */
  readonly topic: (name: string) => Topic<T>
  /** The names of the topics that have subscribers in this process. */
  readonly topics: readonly string[]
  /** How many of the last items a subscriber is sent when it joins. It may be changed. */
  history: number
  /** How many items subscribers have missed, and could not be sent to the bus. */
  readonly losses: number
  /** Leaves the bus for good. Subscribers stay, and what is published reaches those of this process. */
  readonly close: () => Promise<void>
}

/** Options of `hub()`. */
export interface HubOptions<T>
  extends SubscriberOptions<T>,
    Omit<OptionsOf<typeof HUB_OPTIONS>, keyof SubscriberOptions<T>> {}

/** The number of hubs without a name; primary and workers make them in the same order. */
let unnamed = 0

/**
 * Makes a hub: what one connection publishes, others are sent. Connections join with the stage `hub.stage()`, or the stage
 * `broadcast` in a text, and leave when they are over. A slow subscriber holds nobody up. An item is encoded once for all
 * subscribers of a list. With `workers`, the hubs of all workers are one; with `via`, those of other machines too.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const room = hub<string>({ history: 10, onSlow: 'drop-oldest' })
 * listen(pipeline().through(lines()).through(room.stage()).through(toLines()))
 */
export function hub<T = string>(options: HubOptions<T> = {}): Hub<T> {
  givenOptions('hub()', HUB_OPTIONS, options)
  return new LocalHub<T>(options)
}

/** The bus that the hubs of a worker share. */
let ofWorkers: Bus | undefined

function busOf(via: Bus | string | undefined): Bus | undefined {
  if (typeof via === 'object') return via
  if (via !== undefined) return busAt(via)
  if (process.env.BYWASH_WORKER === undefined) return undefined
  ofWorkers ??= workerBus(ownThread()?.link ?? process)
  return ofWorkers
}

/** The default item about missed messages: of the kind that the subscriber has been sent. */
function describeMissed(item: unknown, count: number): unknown {
  if (typeof item === 'string' || item === undefined) return `[missed ${count}]`
  return Buffer.isBuffer(item) ? undefined : { missed: count }
}

class LocalHub<T> implements Hub<T> {
  readonly name: string
  losses = 0
  #published = 0
  history: number
  readonly #defaults: SubscriberSettings<T>
  readonly #maxTopics: number
  readonly #rooms = new Map<string, Room<T>>()
  /** Undefined where there is none, and after `close()`. */
  #bus: Bus | undefined
  #connection: BusConnection | undefined
  /** The name of this process in messages. */
  readonly #origin = randomUUID()
  /** How many messages were published to each channel. */
  readonly #sequences = new Map<string, number>()
  /** An item that was published: the default of `missed` makes its notice of the same kind. */
  #sample: unknown

  constructor(options: HubOptions<T>) {
    if (options.via !== undefined && options.name === undefined) {
      throw new InvalidOptionError(
        "hub(): with 'via' it needs a 'name', by which it finds the hubs of other processes.",
      )
    }
    this.name = options.name ?? `hub-${++unnamed}`
    const { history, maxPending, onSlow, maxTopics } = settingsFrom('hub()', HUB_OPTIONS, options)
    this.history = history
    const missed = options.missed ?? ((count: number) => describeMissed(this.#sample, count) as T | undefined)
    this.#defaults = { maxPending, onSlow, missed }
    this.#maxTopics = maxTopics
    this.#bus = busOf(options.via)
    // The room of the hub itself stays.
    this.#rooms.set('', new Room())
    // The first to join gets the history of the other workers, too.
    if (options.via === undefined && this.#bus !== undefined) this.#connect(this.#bus)
  }

  get size(): number {
    return this.sizeOf('')
  }

  get topics(): readonly string[] {
    return [...this.#rooms.keys()].filter(name => name !== '')
  }

  topic(name: string): Topic<T> {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidOptionError('topic(): a topic has a name, which is text of at least one character.')
    }
    return new HubTopic(this, name)
  }

  publish(item: T, options?: { readonly except?: Connection }): void {
    this.publishTo('', item, options?.except)
  }

  subscribe(connection: Connection, controller: Controller<T>, options?: SubscriberOptions<T>): () => void {
    return this.subscribeTo('', connection, controller, options)
  }

  stage(options?: BroadcastOptions<T>): TransformerStage<T, T> {
    return stageOf(this, options)
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    this.#bus = undefined
    await connection?.close()
  }

  /** Its part of a status. */
  readonly source: StatusSource = { of: this, hub: () => this.#status() }

  #status(): HubStatus {
    const subscribers = [...this.#rooms.values()].flatMap(room => [...room.subscribers])
    const sizes = subscribers.map(({ waitingSize }) => waitingSize)
    return {
      name: this.name,
      topics: this.topics.length,
      subscribers: subscribers.length,
      lagging: subscribers.filter(({ isLagging }) => isLagging).length,
      heldBytes: sizes.reduce((sum, size) => sum + size, 0),
      maxHeldBytes: sizes.reduce((most, size) => Math.max(most, size), 0),
      published: this.#published,
      losses: this.losses,
    }
  }

  sizeOf(name: string): number {
    return this.#rooms.get(name)?.subscribers.size ?? 0
  }

  publishTo(name: string, item: T, except: Connection | undefined): void {
    this.#published++
    this.#deliver(name, item, except)
    if (this.#bus === undefined) return
    const sequence = (this.#sequences.get(name) ?? 0) + 1
    this.#sequences.delete(name)
    this.#sequences.set(name, sequence)
    if (this.#sequences.size > this.#maxTopics)
      this.#sequences.delete(this.#sequences.keys().next().value as string)
    const message = encodeMessage({ origin: this.#origin, sequence, item })
    if (!this.#connect(this.#bus).publish(this.#channelOf(name), message)) this.losses++
  }

  subscribeTo(
    name: string,
    connection: Connection,
    controller: Controller<T>,
    options: SubscriberOptions<T> = {},
  ): () => void {
    const given = givenOptions('subscribe()', { ...SUBSCRIBER_OPTIONS, missed: MISSED }, options)
    const settings = { ...this.#defaults, ...(given as SubscriberOptions<T>) }
    const room = this.#open(name)
    const subscriber = new Subscriber(connection, controller as HoldingController<T>, settings)
    const leave = () => {
      subscriber.leave()
      if (!room.subscribers.delete(subscriber) || room.subscribers.size > 0) return
      this.#connection?.unsubscribe(this.#channelOf(name))
      if (name !== '') this.#rooms.delete(name)
    }
    room.join(subscriber)
    whenOver(connection, leave)
    return leave
  }

  #open(name: string): Room<T> {
    let room = this.#rooms.get(name)
    if (room === undefined) {
      // The room without a name is none of the topics.
      if (this.#rooms.size > this.#maxTopics) throw new TooManyTopicsError(this.#maxTopics)
      room = new Room()
      this.#rooms.set(name, room)
    }
    if (room.subscribers.size === 0 && this.#bus !== undefined)
      this.#connect(this.#bus).subscribe(this.#channelOf(name))
    return room
  }

  #connect(bus: Bus): BusConnection {
    this.#connection ??= bus.connect({
      receive: (channel, text) => this.#receive(channel, text),
      lose: count => {
        this.losses += count
      },
    })
    return this.#connection
  }

  #channelOf(name: string): string {
    return name === '' ? this.name : `${this.name}:${name}`
  }

  #receive(channel: string, text: string): void {
    if (channel !== this.name && !channel.startsWith(`${this.name}:`)) return
    const name = channel.slice(this.name.length + 1)
    const room = this.#rooms.get(name)
    const message = decodeMessage(text)
    if (room === undefined || message === undefined || message.origin === this.#origin) return
    const lost = room.countFrom(message)
    if (lost > 0) {
      this.losses += lost * room.subscribers.size
      for (const subscriber of room.subscribers) subscriber.miss(lost)
    }
    this.#deliver(name, message.item as T, undefined)
  }

  #deliver(name: string, item: T, except: Connection | undefined): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    this.#sample = item
    this.losses += room.deliver(item, this.history, except)
  }
}

/** A topic by its name; what it has in memory is in its hub. */
class HubTopic<T> implements Topic<T> {
  readonly name: string
  readonly source: StatusSource
  readonly #hub: LocalHub<T>

  constructor(hub: LocalHub<T>, name: string) {
    this.#hub = hub
    this.name = name
    this.source = hub.source
  }

  get size(): number {
    return this.#hub.sizeOf(this.name)
  }

  publish(item: T, options?: { readonly except?: Connection }): void {
    this.#hub.publishTo(this.name, item, options?.except)
  }

  subscribe(connection: Connection, controller: Controller<T>, options?: SubscriberOptions<T>): () => void {
    return this.#hub.subscribeTo(this.name, connection, controller, options)
  }

  stage(options?: BroadcastOptions<T>): TransformerStage<T, T> {
    return stageOf(this, options)
  }
}

/** A stage that joins a topic for each connection, and publishes what comes. */
export function stageOf<T>(topic: Topic<T>, options: BroadcastOptions<T> = {}): TransformerStage<T, T> {
  const { echo = false, ...ofSubscriber } = options
  const { source } = topic as { readonly source?: StatusSource }
  return internalStage<T, T>({
    name: 'broadcast',
    accepts: 'any',
    emits: 'same',
    asks: false,
    ...(source && { statusSource: source }),
    open: connection => new BroadcastTransformer(topic, connection, echo, ofSubscriber),
  })
}

/** One connection in a topic. */
class BroadcastTransformer<T> implements Transformer<T, T> {
  readonly #topic: Topic<T>
  readonly #connection: Connection
  readonly #echo: boolean
  readonly #options: SubscriberOptions<T>

  constructor(topic: Topic<T>, connection: Connection, echo: boolean, options: SubscriberOptions<T>) {
    this.#topic = topic
    this.#connection = connection
    this.#echo = echo
    this.#options = options
  }

  start(controller: Controller<T>): void {
    this.#topic.subscribe(this.#connection, controller, this.#options)
  }

  transform(item: T): void {
    this.#topic.publish(item, this.#echo ? undefined : { except: this.#connection })
  }
}
