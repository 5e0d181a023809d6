import type { Option } from '../../options/option.js'
import { formatQuantity } from '../../options/quantity.js'
import { escapeBytes } from './escapes.js'

/** Describes the values of an option as a text writes them: `1 to 256MiB`. */
export function valuesInWords({
  type,
  choices = [],
  minimum = 0,
  maximum = Number.MAX_SAFE_INTEGER,
  unit,
  isList,
}: Option): string {
  switch (type) {
    case 'choice':
      return choices.map(written).join(', ')
    case 'integer': {
      const least = formatQuantity(minimum, unit)
      return maximum === Number.MAX_SAFE_INTEGER
        ? `from ${least}`
        : `${least} to ${formatQuantity(maximum, unit)}`
    }
    case 'boolean':
      return ''
    case 'code':
      return 'in code only'
    default:
      return isList ? 'text, may be repeated' : 'text'
  }
}

/** Describes the default of an option as a text would write it; empty where there is none. */
export function defaultInWords({ presence, absent = '', default: value, unit }: Option): string {
  if (presence === 'required') return 'required'
  if (value === undefined || typeof value === 'boolean')
    return typeof value === 'boolean' ? (value ? 'on' : 'off') : absent
  return typeof value === 'number' ? formatQuantity(value, unit) : written(value)
}

function written(value: unknown): string {
  return typeof value === 'string' ? escapeBytes(value) : String(value)
}
