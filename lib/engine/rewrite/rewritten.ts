import type { Controller } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'

/** A transformer that does the work of several neighbouring stages, and counts for each of them. */
export abstract class RewrittenTransformer {
  abstract transform(chunk: Buffer, controller: Controller<Buffer>): void

  /** The counts of each stage, from what came in to the first and what left the last. */
  abstract counts(given: Passed, out: Passed): StageCounts[]
}
