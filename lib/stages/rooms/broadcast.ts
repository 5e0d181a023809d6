import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidOptionError } from '../../errors.js'
import { boolean, orCode, text } from '../../options/option.js'
import type { TransformerStage } from '../../stage.js'
import type { Bus } from './bus.js'
import {
  type BroadcastOptions as Broadcast,
  HISTORY,
  type Hub,
  hub,
  MISSED,
  SUBSCRIBER_OPTIONS,
  stageOf,
  type Topic,
  VIA,
} from './hub.js'

export const BROADCAST_OPTIONS = {
  room: orCode<Topic<never>, string, 'optional'>(
    text({
      minimum: 1,
      absent: 'a room of this stage alone',
      help: 'the name of the room, which all stages of the process with this name share; with a colon and a word behind it, a topic of that room',
    }),
    {
      inCode: 'a Hub or one of its topics',
      isCode: value => typeof (value as Topic<never> | null | undefined)?.publish === 'function',
      wants: 'is a Hub, one of its topics, or the name of a room',
    },
  ),
  echo: boolean({ default: false, help: 'whether the publisher of an item gets it too' }),
  history: HISTORY,
  ...SUBSCRIBER_OPTIONS,
  missed: MISSED,
  via: VIA,
}

/** Options of `broadcast()`. */
export interface BroadcastStageOptions<T> extends Broadcast<T> {
  /** A hub, one of its topics, or the name of a room. @default a room of this stage alone */
  readonly room?: Topic<T> | string
  /** How many of the last items a subscriber is sent when it joins. @default 0 */
  readonly history?: number
  /** A bus to the same room in other processes, or its URL. @default none */
  readonly via?: Bus | string
}

/** The rooms that texts, files and code name. */
const rooms = new Map<string, Hub<unknown>>()

/**
 * A room: publishes the items that come to all other connections of the room, and emits what they publish. A connection joins
 * when it opens, and leaves when it is over. A slow reader holds nobody up: at most `maxPending` bytes wait for it, and
 * then `onSlow` decides. A room works across `workers`, and with `via` across machines.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(broadcast({ room: 'lobby', history: 10 })).through(toLines())
 */
export const broadcast = defineStage({
  name: 'broadcast',
  summary: 'sends each item to all other connections, and gives what they send',
  accepts: 'any',
  emits: 'same',
  memory: ({ maxPending }) => ({ keeps: maxPending }),
  options: BROADCAST_OPTIONS,
  examples: [
    'lines | broadcast | to-lines',
    'lines | broadcast --room lobby --history 10 --on-slow drop-oldest | to-lines',
  ],
  make: ({ room, history, via, echo, maxPending, onSlow, missed }) => {
    const settings = { echo, maxPending, onSlow, ...(missed === undefined ? {} : { missed }) }
    return stageOf(topicOf(room, history, via) as Topic<unknown>, settings)
  },
}) as StageFactory<<Item = string>(options?: BroadcastStageOptions<Item>) => TransformerStage<Item, Item>>

function topicOf(
  room: Topic<never> | string | undefined,
  history: number,
  via: Bus | string | undefined,
): object {
  if (typeof room === 'object') {
    if (history > 0 || via !== undefined) {
      throw new InvalidOptionError("broadcast(): give 'history' and 'via' to the hub that is its 'room'.")
    }
    return room
  }
  const options = via === undefined ? { history } : { history, via }
  if (room === undefined) {
    if (via === undefined) return hub<unknown>(options)
    throw new InvalidOptionError(
      "broadcast(): with 'via' it needs a 'room', by whose name other processes find it.",
    )
  }
  const [name = '', ...topic] = room.split(':')
  const key = JSON.stringify([name, via])
  let known = rooms.get(key)
  if (known === undefined) {
    known = hub<unknown>({ name, ...options })
    rooms.set(key, known)
  }
  known.history = Math.max(known.history, history)
  return topic.length === 0 ? known : known.topic(topic.join(':'))
}
