import { InvalidOptionError } from '../errors.js'
import { stage, type Transformer, type TransformerStage } from '../stage.js'

/**
 * Sends a text before anything else, as soon as the connection is open, and passes bytes on unchanged. It acts where
 * it stands: put it last, and no other stage changes its text.
 *
 * @param text - What to send, as text (UTF-8) or bytes. A line feed is not added.
 * @throws InvalidOptionError when `text` is neither.
 * @example
 * pipeline().through(welcome('Hello! Type anything.\n'))
 */
export function welcome(text: string | Uint8Array): TransformerStage<Buffer, Buffer> {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw new InvalidOptionError(`welcome(): the text to send is a string or a Buffer; got ${typeof text}.`)
  }
  // A copy, so that the caller's later changes do not reach clients.
  const bytes = Buffer.from(text)
  // It keeps nothing of a connection, so one serves all.
  const transformer: Transformer<Buffer, Buffer> = { start: controller => controller.enqueue(bytes) }
  return stage<Buffer, Buffer>({
    name: 'welcome',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => transformer,
  })
}
