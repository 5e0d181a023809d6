// A proxy: upstream() alone.
import { pipeline, upstream } from 'bywash'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(pipeline().through(upstream(`127.0.0.1:${process.env.BENCH_UPSTREAM}`)))
