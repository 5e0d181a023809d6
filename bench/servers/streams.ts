// The same stages as uppercase.ts, each as a stream of its own.
import { uppercase } from 'bywash/presets'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(uppercase.pipeline(), { plan: 'streams' })
