import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { stage, type TransformerStage } from '../../stage.js'

/** Drops an item. */
const nothing = { transform: () => {} }

/**
 * Takes items of any kind and gives nothing: the Discard Protocol (RFC 863), or the end of a list that only looks at what
 * it is sent. The client is read as fast as it sends, and its end ends the connection in good order. What it gives counts
 * as bytes, so that a list may end with it, and a `welcome()` may stand behind it.
 *
 * @example
 * pipeline().through(lines()).through(tee({ to: 'received.log' })).through(discard())
 */
export const discard = defineStage({
  name: 'discard',
  summary: 'takes everything, and gives nothing',
  accepts: 'any',
  emits: 'bytes',
  memory: { perByte: 0 },
  examples: ['discard', 'lines | tee --to received.log | discard'],
  make: () =>
    stage<unknown, Buffer>({
      name: 'discard',
      accepts: 'any',
      emits: 'bytes',
      lazy: true,
      asks: false,
      open: () => nothing,
    }),
}) as StageFactory<<Item = Buffer>() => TransformerStage<Item, Buffer>>
