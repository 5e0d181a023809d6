// A push through a room: each line that asks for pushes is published as often, and each subscriber gets all of them.
import { hub, lines, pipeline, stage, toLines } from 'bywash'
import { inTurns, pushesOf } from './rounds.js'
import { servePipeline } from './serve-pipeline.js'

const room = hub<string>()

const pushing = stage<string, string>({
  name: 'push',
  accepts: 'line',
  emits: 'line',
  asks: false,
  open: connection => ({
    start(controller) {
      room.subscribe(connection, controller)
    },
    transform(line, controller) {
      const pushes = pushesOf(line)
      if (pushes === 0) controller.enqueue(line)
      else inTurns(pushes, () => room.publish(line))
    },
  }),
})

await servePipeline(pipeline().through(lines()).through(pushing).through(toLines()))
