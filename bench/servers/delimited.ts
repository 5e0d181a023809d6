// Frames that are cut at a line feed, and sent with one again.
import { delimited, pipeline, toDelimited } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(
  pipeline()
    .through(delimited({ delimiters: '\n' }))
    .through(toDelimited('\n')),
)
