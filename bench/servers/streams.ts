// The stages of uppercase.ts on plan 'streams': each is a stream of its own.
import { uppercase } from 'bywash/presets'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(uppercase.pipeline(), { plan: 'streams' })
