// Lines through as many stages of a kind as BENCH_STAGES says, such as map:8. The first upper-cases, the others change nothing.
import { lines, map, pipeline, stage, toLines, uppercase } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

class Change {
  readonly #change: (line: string) => string

  constructor(change: (line: string) => string) {
    this.#change = change
  }

  transform(line: string, controller: { enqueue: (line: string) => void }): void {
    controller.enqueue(this.#change(line))
  }
}

const own = (name: string, change: (line: string) => string) =>
  stage<string, string>({
    name,
    accepts: 'line',
    emits: 'line',
    lazy: true,
    asks: false,
    open: () => new Change(change),
  })

const [kind = '', count = ''] = (process.env.BENCH_STAGES ?? '').split(':')
let list = pipeline().through(lines())
for (let index = 0; index < Number(count); index++) {
  // A function of its own for each stage, as in a list that somebody has written.
  const change = index === 0 ? (line: string) => line.toUpperCase() : (line: string) => line
  const name = `stage-${index + 1}`
  if (kind === 'uppercase') list = list.through(uppercase())
  else if (kind === 'map') list = list.through(map(name, change, { asks: false }))
  else list = list.through(own(name, change))
}
await servePipeline(list.through(toLines()))
