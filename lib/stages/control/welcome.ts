import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { bytes } from '../../options/option.js'
import { internalStage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Sends a greeting as soon as the connection is open, before anything else. Takes bytes and emits them unchanged behind
 * the greeting. The stages behind it get the greeting too: put it last, so that none of them changes it.
 *
 * @param text - The greeting, a string (sent as UTF-8) or bytes. No line feed is added.
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
    memory: ({ text }) => ({ perRead: Buffer.byteLength(text) }),
    arguments: [{ text: bytes({ help: 'what to send; no line feed is added' }) }],
    examples: ["welcome 'Hello! Type anything.\\n'"],
    make: ({ text }) => {
      // A copy, so that the caller's later changes do not reach clients.
      const copy = Buffer.from(text as string)
      // One transformer serves all connections, since it has no state.
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
