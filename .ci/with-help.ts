import type { Option, OptionTable } from '../lib/options/option.js'
import { digits } from './option-markdown.js'

/** A declaration file in which each option of a table has its help in front of it. */
export function withHelp(declarations: string, table: OptionTable): string {
  return declarations.replace(/^( +)(\w+): .*\bOption</gm, (line, indent: string, name: string) =>
    Object.hasOwn(table, name) ? `${indent}/** ${comment(table[name] as Option)} */\n${line}` : line,
  )
}

function comment({ help, unit, minimum, maximum, default: value }: Option): string {
  const sentence = help.replace(/^./, letter => letter.toUpperCase())
  const range =
    maximum === undefined || maximum === Number.MAX_SAFE_INTEGER
      ? ''
      : ` From ${digits(minimum ?? 0)} to ${digits(maximum)}.`
  const counted = unit === undefined ? '' : ` In ${unit}.`
  const defaultText = value === undefined ? '' : ` @default ${JSON.stringify(value)}`
  return `${sentence}.${counted}${range}${defaultText}`.replaceAll('*/', '*\\/')
}
