import { checkText } from '../check-option.js'
import { InvalidOptionError } from '../errors.js'
import { map, type TransformerStage } from '../stage.js'

/**
 * Replaces each occurrence of a text in each line, from the left. Both texts are literal: no character of them has a
 * meaning of its own, and what was put in is not searched again.
 *
 * @param text - What to look for, one character or more.
 * @param by - What to put in its place; the empty text takes it out.
 * @throws InvalidOptionError when one of them is no text, or `text` is empty.
 * @example
 * pipeline().through(lines()).through(replace('colour', 'color')).through(unlines())
 */
export function replace(text: string, by: string): TransformerStage<string, string> {
  checkText('replace()', 'text', text)
  checkText('replace()', 'by', by)
  if (text === '') throw new InvalidOptionError('replace(): \'text\' has at least one character; got "".')
  // As text, `by` could mean more than itself: `$&` stands for what was found.
  const put = () => by
  return map('replace', line => line.replaceAll(text, put))
}
