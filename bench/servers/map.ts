// The uppercase pipeline with a function of the user's own, which is called for each line.
import { lines, map, pipeline, toLines } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

const shout = pipeline()
  .through(lines())
  .through(map('shout', line => line.toUpperCase(), { asks: false }))
  .through(toLines())
await servePipeline(shout)
