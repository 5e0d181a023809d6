// A push by a stage: it keeps the controller of each connection, and enqueues on all of them from setImmediate().
import { type Controller, lines, pipeline, stage, toLines } from 'bywash'
import { inTurns, pushesOf } from './rounds.js'
import { servePipeline } from './serve-pipeline.js'

const controllers = new Set<Controller<string>>()

class Pushing {
  #controller: Controller<string> | undefined

  start(controller: Controller<string>): void {
    this.#controller = controller
    controllers.add(controller)
  }

  transform(line: string, controller: Controller<string>): void {
    const pushes = pushesOf(line)
    if (pushes === 0) {
      controller.enqueue(line)
      return
    }
    inTurns(pushes, () => {
      for (const each of controllers) each.enqueue(line)
    })
  }

  close(): void {
    if (this.#controller !== undefined) controllers.delete(this.#controller)
  }
}

await servePipeline(
  pipeline()
    .through(lines())
    .through(
      stage<string, string>({
        name: 'push',
        accepts: 'line',
        emits: 'line',
        asks: false,
        open: () => new Pushing(),
      }),
    )
    .through(toLines()),
)
