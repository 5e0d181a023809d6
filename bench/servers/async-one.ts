// The work of map.ts with one promise at a time.
import { lines, map, pipeline, toLines } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

const shout = pipeline()
  .through(lines())
  .through(map('shout', async line => line.toUpperCase(), { asks: false }))
  .through(toLines())
await servePipeline(shout)
