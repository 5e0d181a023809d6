import type { Option } from '../../options/option.js'
import { formatQuantity } from '../../options/quantity.js'
import { escapeBytes } from './escapes.js'

/** What an option's values are, as a text has them. */
export function valuesOf({
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

/** What stands for an option that is absent, as a text would say it. */
export function defaultOf({ presence, absent = '', default: value, unit }: Option): string {
  if (presence === 'required') return 'required'
  if (value === undefined || typeof value === 'boolean')
    return typeof value === 'boolean' ? (value ? 'on' : 'off') : absent
  return typeof value === 'number' ? formatQuantity(value, unit) : written(value)
}

function written(value: unknown): string {
  return typeof value === 'string' ? escapeBytes(value) : String(value)
}
