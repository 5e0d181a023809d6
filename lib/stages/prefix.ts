import { checkText } from '../check-option.js'
import { map, type TransformerStage } from '../stage.js'

/**
 * Puts a text before each line.
 *
 * @param text - What to put there. Nothing is added between it and the line.
 * @throws InvalidOptionError when `text` is no text.
 * @example
 * pipeline().through(lines()).through(prefix('> ')).through(unlines())
 */
export function prefix(text: string): TransformerStage<string, string> {
  checkText('prefix()', 'text', text)
  return map('prefix', line => text + line)
}
