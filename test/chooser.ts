import { type Pipeline, stage, type TransformerStage } from '../lib/index.js'

/** A stage that goes over to another list with its first line. */
export function chooser(next: Pipeline<Buffer, Buffer>): TransformerStage<string, Buffer> {
  return stage<string, Buffer>({
    name: 'chooser',
    accepts: 'line',
    emits: 'bytes',
    upgrades: true,
    open: () => ({ transform: (_line, controller) => controller.become(next) }),
  })
}
