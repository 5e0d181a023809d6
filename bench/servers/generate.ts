// The work of map.ts in an async generator function.
import { generate, lines, pipeline, toLines } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

const shout = pipeline()
  .through(lines())
  .through(
    generate(
      'shout',
      async function* (items) {
        for await (const line of items) yield line.toUpperCase()
      },
      { asks: false, accepts: 'line', emits: 'line' },
    ),
  )
  .through(toLines())
await servePipeline(shout)
