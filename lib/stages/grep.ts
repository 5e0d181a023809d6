import { checkBoolean, checkNames, checkText } from '../check-option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'

/** Options of `grep()`. */
export interface GrepOptions {
  /** Hands on the lines that do not contain the text. @default false */
  readonly invert?: boolean
}

/**
 * Hands on the lines that contain a text, and leaves the others out. The text is literal: no character of it has a
 * meaning of its own, and its case counts.
 *
 * @param text - What to look for. Every line contains the empty text.
 * @throws InvalidOptionError when `text` is no text, for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(grep('ERROR')).through(unlines())
 */
export function grep(text: string, options: GrepOptions = {}): TransformerStage<string, string> {
  const { invert = false } = options
  checkText('grep()', 'text', text)
  checkNames('grep()', options, ['invert'])
  checkBoolean('grep()', 'invert', invert)
  // It keeps nothing of a connection, so one serves all.
  const transformer: Transformer<string, string> = {
    transform(line: string, controller: Controller<string>) {
      if (line.includes(text) !== invert) controller.enqueue(line)
    },
  }
  return stage<string, string>({ name: 'grep', accepts: 'line', emits: 'line', open: () => transformer })
}
