import type { Connection } from '../connection.js'
import { integer } from '../options/option.js'
import { pipeline } from '../pipeline.js'
import { type Controller, stage, type TransformerStage } from '../stage.js'
import { LINES_OPTIONS } from '../stages/lines/line-rules.js'
import { lines } from '../stages/lines/lines.js'
import { toLines } from '../stages/lines/to-lines.js'
import { type Hub, hub } from '../stages/rooms/hub.js'
import { preset } from './preset.js'

const HELP = '/nick NAME changes your name, /who lists who is here, /quit leaves.'
const NAME = /^[\p{L}\p{N}_-]{1,20}$/u
/** Characters that a terminal would obey. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g

/** A chat room: a line goes to all others, with the name of who said it. */
export const chat = preset({
  name: 'chat',
  summary: 'a chat room with names: /nick, /who, /quit',
  title: 'Chat room on',
  trial: (host, port) => `nc ${host} ${port}`,
  options: {
    maxLength: { ...LINES_OPTIONS.maxLength, help: 'longest line', default: 1024 },
    history: integer({
      default: 10,
      maximum: 1_000,
      help: 'how many of the last lines a client is sent when it joins',
    }),
  },
  make: ({ maxLength, history }) =>
    pipeline().through(lines({ maxLength })).through(chatRoom(history)).through(toLines()),
})

function chatRoom(history: number): TransformerStage<string, string> {
  const room = hub<string>({ history, onSlow: 'drop-oldest' })
  /** The members who are here, by name. */
  const members = new Map<string, Member>()
  return stage<string, string>({
    name: 'chat',
    accepts: 'line',
    emits: 'line',
    asks: false,
    open: connection => new Member(connection, room, members),
  })
}

/** One connection in a chat room. */
class Member {
  readonly #connection: Connection
  readonly #room: Hub<string>
  readonly #members: Map<string, Member>
  #name = ''

  constructor(connection: Connection, room: Hub<string>, members: Map<string, Member>) {
    this.#connection = connection
    this.#room = room
    this.#members = members
  }

  start(controller: Controller<string>): void {
    this.#name = this.#freeName()
    this.#members.set(this.#name, this)
    controller.enqueue(`* Welcome, ${this.#name}. ${HELP}`)
    this.#room.subscribe(this.#connection, controller)
    this.#tell(`* ${this.#name} has joined`)
  }

  transform(line: string, controller: Controller<string>): void {
    const text = line.replace(CONTROL, '').trimEnd()
    const [command, ...words] = text.split(/\s+/)
    if (text === '') return
    if (!text.startsWith('/')) this.#tell(`<${this.#name}> ${text}`)
    else if (command === '/nick') this.#rename(words.join(' '), controller)
    else if (command === '/who') controller.enqueue(`* Here are: ${[...this.#members.keys()].join(', ')}`)
    else if (command === '/quit') controller.terminate()
    else controller.enqueue(`* There is no ${command}. ${HELP}`)
  }

  close(): void {
    this.#members.delete(this.#name)
    this.#tell(`* ${this.#name} has left`)
  }

  /** A connection of another listener may have the same number, and a member any name. */
  #freeName(): string {
    let name = `guest-${this.#connection.id}`
    while (this.#members.has(name)) name += '-'
    return name
  }

  #rename(name: string, controller: Controller<string>): void {
    if (!NAME.test(name)) {
      controller.enqueue('* A name has 1 to 20 letters, digits, - or _.')
    } else if (this.#members.has(name)) {
      controller.enqueue(`* ${name} is taken.`)
    } else {
      this.#members.delete(this.#name)
      this.#members.set(name, this)
      const before = this.#name
      this.#name = name
      controller.enqueue(`* You are ${name} now.`)
      this.#tell(`* ${before} is ${name} now`)
    }
  }

  /** Tells all others. */
  #tell(line: string): void {
    this.#room.publish(line, { except: this.#connection })
  }
}
