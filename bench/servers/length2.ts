// Frames with their length in front in 2 bytes, cut and sent again.
import { lengthPrefixed, pipeline, toLengthPrefixed } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(
  pipeline()
    .through(lengthPrefixed({ width: 2 }))
    .through(toLengthPrefixed({ width: 2 })),
)
