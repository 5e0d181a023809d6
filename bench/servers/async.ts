// The work of map.ts, with promises: up to 8 calls of a connection are under way.
import { asyncMap, lines, pipeline, toLines } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

const shout = pipeline()
  .through(lines())
  .through(asyncMap('shout', async line => line.toUpperCase(), { concurrency: 8, asks: false }))
  .through(toLines())
await servePipeline(shout)
