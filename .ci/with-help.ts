import type { Option, OptionTable } from '../lib/options/option.js'
import { digits, inCode } from './option-markdown.js'

/** An option in a declaration file, with its indentation and its name. */
const OPTION = /^( +)(\w+): .*\bOption</gm

/** Whether a declaration file has a table of options. */
export function hasOptions(declarations: string): boolean {
  return declarations.search(OPTION) !== -1
}

/** A declaration file in which each option of a table has its help in front of it. */
export function withHelp(declarations: string, table: OptionTable): string {
  return declarations.replace(OPTION, (line, indent: string, name: string) =>
    Object.hasOwn(table, name) ? `${indent}/** ${comment(table[name] as Option)} */\n${line}` : line,
  )
}

/** A larger maximum is there for the machine, and tells people nothing. */
const MAX_TELLING = 1_000_000_000

function comment({ help, details, unit, minimum = 0, maximum, absent, default: value }: Option): string {
  const isBounded = maximum !== undefined && maximum <= MAX_TELLING
  const parts = [
    `${help.replace(/^./, letter => letter.toUpperCase())}.`,
    details,
    unit && `In ${unit}.`,
    isBounded && `From ${digits(minimum)} to ${digits(maximum)}.`,
    maximum !== undefined && !isBounded && minimum > 0 && `At least ${digits(minimum)}.`,
    value === undefined ? absent && `@default ${absent}` : `@default ${inCode(value)}`,
  ]
  return parts.filter(Boolean).join(' ').replaceAll('*/', '*\\/')
}
