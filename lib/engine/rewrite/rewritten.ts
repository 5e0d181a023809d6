import type { Controller } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'

/** One transformer that does the work of several stages, and counts for each of them. */
export abstract class RewrittenTransformer {
  abstract transform(chunk: Buffer, controller: Controller<Buffer>): void

  /** What has passed each of the stages, from what has passed all of them. */
  abstract counts(given: Passed, out: Passed): StageCounts[]
}
