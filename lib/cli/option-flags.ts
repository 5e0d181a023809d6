import { type Command, Option as Flag, InvalidArgumentError } from 'commander'
import type { ListenerOptions } from '../config/listener-options.js'
import { kebabCase } from '../config/registry.js'
import { optionValue } from '../config/value.js'
import type { Option, OptionTable } from '../options/option.js'
import { formatQuantity, unitRule } from '../options/quantity.js'

/** The words for values in the help, by the unit, the name or the type of the option; without one it is the name. */
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
  tlsAlpnProtocols: 'protocol',
  port: 'port',
  status: 'address',
  allow: 'range',
  proxyProtocol: 'range',
  deny: 'range',
  websocketMessages: 'borders',
  websocketOrigins: 'origin',
  websocketType: 'type',
  integer: 'number',
}

/** The letters of flags that have a short form. */
const LETTERS: Readonly<Record<string, string>> = { port: 'p' }

/** Adds a flag for each option of a table, below the heading of its group where it has one. */
export function addFlags(command: Command, table: ListenerOptions): Command {
  for (const [name, option] of Object.entries(table)) {
    if (option.group !== undefined) command.optionsGroup(`${option.group}:`)
    command.addOption(flagFor(name, option))
  }
  return command
}

/** Picks the values of a table's options from the flags that were given. */
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
  const letter = Object.hasOwn(LETTERS, name) ? `-${LETTERS[name]}, ` : ''
  const flag = new Flag(`${letter}--${kebabCase(name)} <${placeholder}>`, helpFor(option))
  const defaultValue = option.default
  if (defaultValue !== undefined) {
    flag.default(defaultValue, unit === 'ms' ? formatQuantity(defaultValue as number, unit) : undefined)
  }
  if (choices !== undefined) return flag.choices(choices.map(String))
  return flag.argParser((text: string, before: unknown) => {
    const value = parse(option, text)
    return isList && Array.isArray(before) ? [...before, value] : isList ? [value] : value
  })
}

/** The help of an option. Where the parser has no default value to show, the words of the option stand for it. */
function helpFor({ help, isList, absent }: Option): string {
  return [help, isList ? '; may be repeated' : '', absent === undefined ? '' : ` (default: ${absent})`].join(
    '',
  )
}

/** A flag that turns a boolean on, or off where that is not what it is by default. */
function switchFor(name: string, { help, default: isOn }: Option): Flag {
  if (isOn !== true) return new Flag(`--${kebabCase(name)}`, help)
  return new Flag(`--${kebabCase(oppositeOf(name) ?? `no-${name}`)}`, `turn off: ${help}`)
}

/** `delay` for `noDelay`: the parser would take `--no-delay` as the opposite of an option `delay`. */
function oppositeOf(name: string): string | undefined {
  const [, letter = '', rest = ''] = /^no([A-Z])(.*)$/.exec(name) ?? []
  return letter === '' ? undefined : letter.toLowerCase() + rest
}

function parse(option: Option, text: string): unknown {
  const read = optionValue('', option, text)
  if ('value' in read) return read.value
  const rule = unitRule(text, option.unit)
  if (rule !== undefined) throw new InvalidArgumentError(`It must be ${rule}.`)
  throw new InvalidArgumentError(option.type === 'integer' ? range(option) : `It ${read.refusal.slice(3)}.`)
}

/** Says which numbers are allowed, with units. */
function range({ unit, minimum = 0, maximum }: Option): string {
  if (unit === 'ms') {
    return `It must be a time such as 500ms, 15s or 5m, ${minimum === 0 ? '' : `from ${minimum}ms on, `}at most 24 days.`
  }
  return `It must be a whole number, from ${formatQuantity(minimum, unit)} to ${maximum}.`
}
