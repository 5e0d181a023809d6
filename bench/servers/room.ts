// The work of push.ts by a hub: one line is published to all that have joined.
import { type Connection, type Controller, hub, lines, pipeline, stage, toLines } from 'bywash'
import { inTurns, pushesOf } from './rounds.js'
import { servePipeline } from './serve-pipeline.js'

const room = hub<string>()

class Subscribing {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  start(controller: Controller<string>): void {
    room.subscribe(this.#connection, controller)
  }

  transform(line: string, controller: Controller<string>): void {
    const pushes = pushesOf(line)
    if (pushes === 0) controller.enqueue(line)
    else inTurns(pushes, () => room.publish(line))
  }
}

await servePipeline(
  pipeline()
    .through(lines())
    .through(
      stage<string, string>({
        name: 'room',
        accepts: 'line',
        emits: 'line',
        open: connection => new Subscribing(connection),
      }),
    )
    .through(toLines()),
)
