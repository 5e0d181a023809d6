import { echo } from 'bywash/presets'
import { servePipeline } from './serve-pipeline.js'

await servePipeline(echo.pipeline())
