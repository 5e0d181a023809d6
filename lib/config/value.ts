import type { Option } from '../options/option.js'
import { numberIn, QUANTITY_EXAMPLES } from '../options/quantity.js'
import { didYouMean } from './did-you-mean.js'
import { escapeBytes } from './text/escapes.js'

/** The value of an option, or the reason why the given one is refused. */
export type OptionValue = { readonly value: unknown } | { readonly refusal: string; readonly remedy: string }

/**
 * Reads and checks the value of an option in a text or a file, where `4KiB`, `30s`, `true` and numbers may be text.
 *
 * @param name - The name of the option in the refusal.
 */
export function optionValue(name: string, option: Option, given: unknown): OptionValue {
  if (option.type === 'code') {
    return { refusal: `'${name}' can be given in code only`, remedy: '' }
  }
  const value =
    option.isList && Array.isArray(given) ? given.map(one => typed(option, one)) : typed(option, given)
  const { refusal: refuse, writtenRefusal = refuse, fromWritten } = option
  const refusal = writtenRefusal(name, value)
  if (refusal !== undefined) {
    // YAML reads some words, such as 5 or true, as numbers and booleans.
    const isWord = typeof given === 'number' || typeof given === 'boolean'
    if (isWord && writtenRefusal(name, typed(option, String(given))) === undefined)
      return { refusal, remedy: 'Put it in quotes.' }
    return { refusal, remedy: remedyFor(option, given) }
  }
  return { value: fromWritten === undefined ? value : fromWritten(value) }
}

/** Converts text to the type of the option. Text that cannot be converted stays as it is, and the check refuses it. */
function typed({ type, unit, choices = [] }: Option, given: unknown): unknown {
  // A number of a file is read as its text, since it could be a time without a unit.
  if (typeof given === 'number' && unit === 'ms') return numberIn(String(given), unit)
  if (typeof given !== 'string') return given
  switch (type) {
    case 'integer':
      return numberIn(given, unit)
    case 'boolean':
      return given === 'true' || (given === 'false' ? false : given)
    case 'choice':
      return choices.find(choice => String(choice) === given) ?? given
    default:
      return given
  }
}

function remedyFor({ type, unit, choices }: Option, given: unknown): string {
  if (type === 'text' && given instanceof Uint8Array) return 'Text is UTF-8, which these bytes are not.'
  if (typeof given !== 'string') return ''
  if (unit !== undefined) return Number.isNaN(Number(given)) ? `Write ${QUANTITY_EXAMPLES[unit]}.` : ''
  if (choices === undefined) return ''
  const names = choices.map(choice => escapeBytes(String(choice)))
  return didYouMean(escapeBytes(given), names)
}
