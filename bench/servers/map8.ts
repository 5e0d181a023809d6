// The work of map.ts with seven more stages that change nothing: it shows what a stage costs by itself.
import { lines, map, pipeline, toLines } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

const shout = pipeline()
  .through(lines())
  .through(map('shout', line => line.toUpperCase()))
  .through(map('second', line => line))
  .through(map('third', line => line))
  .through(map('fourth', line => line))
  .through(map('fifth', line => line))
  .through(map('sixth', line => line))
  .through(map('seventh', line => line))
  .through(map('eighth', line => line))
  .through(toLines())
await servePipeline(shout)
