import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { bytes } from '../../options/option.js'
import { internalStage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Sends a text before anything else, as soon as the connection is open, and passes bytes on unchanged. It acts where
 * it stands: put it last, and no other stage changes its text.
 *
 * @param text - What to send, as text (UTF-8) or bytes. A line feed is not added.
 * @throws InvalidOptionError when `text` is neither.
 * @example
 * pipeline().through(welcome('Hello! Type anything.\n'))
 */
export const welcome: StageFactory<(text: string | Uint8Array) => TransformerStage<Buffer, Buffer>> =
  defineStage({
    name: 'welcome',
    summary: 'sends a text as soon as the connection is open',
    accepts: 'bytes',
    emits: 'bytes',
    arguments: [{ text: bytes({ help: 'what to send; no line feed is added' }) }],
    examples: ["welcome 'Hello! Type anything.\\n'"],
    make: ({ text }) => {
      // A copy, so that the caller's later changes do not reach clients.
      const copy = Buffer.from(text as string)
      // It keeps nothing of a connection, so one serves all.
      const transformer: Transformer<Buffer, Buffer> = { start: controller => controller.enqueue(copy) }
      return internalStage<Buffer, Buffer>({
        name: 'welcome',
        accepts: 'bytes',
        emits: 'bytes',
        greeting: copy,
        inert: true,
        asks: false,
        open: () => transformer,
      })
    },
  })
