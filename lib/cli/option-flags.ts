import { type Command, Option as Flag, InvalidArgumentError } from 'commander'
import type { ListenerOptions } from '../config/listener-options.js'
import { kebabCase } from '../config/registry.js'
import { optionValue } from '../config/value.js'
import type { Option, OptionTable } from '../options/option.js'
import { formatQuantity } from '../options/quantity.js'

/** What stands for a value in the help where neither its unit nor its name says it. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  bytes: 'bytes',
  ms: 'time',
  overflow: 'policy',
  uncaught: 'policy',
  workers: 'n|auto',
  banner: 'text',
  path: 'file',
  fd: 'descriptor',
  tlsCert: 'file',
  tlsKey: 'file',
  tlsCa: 'file',
  tlsMinVersion: 'version',
  port: 'port',
  allow: 'range',
  deny: 'range',
  integer: 'number',
}

/** Adds a flag for each option of a table, below the heading of its group where it has one. */
export function addFlags(command: Command, table: ListenerOptions): Command {
  for (const [name, option] of Object.entries(table)) {
    if (option.group !== undefined) command.optionsGroup(`${option.group}:`)
    command.addOption(flagFor(name, option))
  }
  return command
}

/** The values of a table's options among the flags that were given. */
export function valuesFrom(
  table: OptionTable,
  flags: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(table).flatMap(name => {
      const opposite = oppositeOf(name)
      if (opposite !== undefined && flags[opposite] === true) return [[name, false]]
      return flags[name] === undefined ? [] : [[name, flags[name]]]
    }),
  )
}

function flagFor(name: string, option: Option): Flag {
  const { type, unit, choices, isList } = option
  if (type === 'boolean') return switchFor(name, option)
  const placeholder = PLACEHOLDERS[unit ?? name] ?? PLACEHOLDERS[type] ?? kebabCase(name)
  const flag = new Flag(`--${kebabCase(name)} <${placeholder}>`, helpFor(option))
  const standard = option.default
  if (standard !== undefined) {
    flag.default(standard, unit === 'ms' ? formatQuantity(standard as number, unit) : undefined)
  }
  if (choices !== undefined) return flag.choices(choices.map(String))
  return flag.argParser((text: string, before: unknown) => {
    const value = parse(option, text)
    return isList && Array.isArray(before) ? [...before, value] : isList ? [value] : value
  })
}

/** Where the parser has no default to show, the option's own words stand for it. */
function helpFor({ help, isList, absent }: Option): string {
  return [help, isList ? '; may be repeated' : '', absent === undefined ? '' : ` (default: ${absent})`].join(
    '',
  )
}

/** A flag that turns off what is on by default, as each of them is. */
function switchFor(name: string, { help }: Option): Flag {
  return new Flag(`--${kebabCase(oppositeOf(name) ?? `no-${name}`)}`, `turn off: ${help}`)
}

/** `delay` for `noDelay`, whose own flag would say the opposite to the parser. */
function oppositeOf(name: string): string | undefined {
  const [, letter = '', rest = ''] = /^no([A-Z])(.*)$/.exec(name) ?? []
  return letter === '' ? undefined : letter.toLowerCase() + rest
}

function parse(option: Option, text: string): unknown {
  const read = optionValue('', option, text)
  if ('value' in read) return read.value
  throw new InvalidArgumentError(option.type === 'integer' ? range(option) : `It ${read.refusal.slice(3)}.`)
}

/** Says which numbers are allowed, as people write them. */
function range({ unit, minimum = 0, maximum }: Option): string {
  if (unit === 'ms') {
    return `It must be a time such as 500ms, 15s or 5m, ${minimum === 0 ? '' : `from ${minimum}ms on, `}at most 24 days.`
  }
  return `It must be a whole number, from ${minimum} to ${maximum}.`
}
