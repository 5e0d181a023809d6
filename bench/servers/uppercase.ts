import { uppercase } from 'bywash/presets'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(uppercase.pipeline())
