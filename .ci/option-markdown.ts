import type { Option } from '../lib/options/option.js'

/** Writes a number as people read it: 65,536. */
export function digits(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** The allowed values of an option, in Markdown. */
export function valuesInMarkdown(option: Option): string {
  const { type, inCode, isList, choices = [], minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = option
  const words = {
    boolean: '`true`, `false`',
    choice: choices.map(quoted).join(', '),
    text: minimum === 0 ? 'a string' : 'a string, not empty',
    bytes: `text (UTF-8) or bytes${minimum === 0 ? '' : ', at least one'}`,
    integer: integers(minimum, maximum, option.unit),
    code: '',
  }[type]
  const code = inCode === undefined ? '' : inCode.startsWith('(') ? `\`${inCode}\`` : inCode
  return [words, isList ? 'a list of them' : '', code].filter(part => part !== '').join(', or ')
}

function integers(minimum: number, maximum: number, unit: string | undefined): string {
  if (maximum < Number.MAX_SAFE_INTEGER) {
    return `${digits(minimum)} to ${digits(maximum)}${unit === undefined ? '' : ` ${unit}`}`
  }
  return `${unit === undefined ? '' : `${unit}, `}from ${digits(minimum)}`
}

/** The default value of an option, in Markdown, or the effect of leaving it out. */
export function defaultInMarkdown({ presence, absent, default: value }: Option): string {
  if (presence === 'required') return 'none, it is required'
  if (value === undefined) return absent ?? 'none'
  return typeof value === 'number' ? digits(value) : quoted(value)
}

/** Writes a value as code, in Markdown. */
export function quoted(value: unknown): string {
  return typeof value === 'number' ? String(value) : `\`${inCode(value)}\``
}

/** Writes a value as JavaScript does. */
export function inCode(value: unknown): string {
  return typeof value === 'string'
    ? `'${JSON.stringify(value).slice(1, -1).replaceAll("'", "\\'")}'`
    : String(value)
}
