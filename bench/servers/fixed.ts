// Frames of 64 bytes, cut and sent again.
import { fixedLength, pipeline, toFixedLength } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(pipeline().through(fixedLength(64)).through(toFixedLength(64)))
