import { kebabCase } from './config/registry.js'
import type { OptionTable, StageFactory } from './definition.js'
import type { Option, Unit } from './option.js'

/** A JSON Schema, draft 2020-12, as far as this file writes it. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A value that the environment gives, such as `${PORT:-8080}`. */
const REFERENCE = '\\$\\{'

const UNITS: Readonly<Record<Unit, string>> = {
  bytes: '(B|KiB|MiB|GiB)?',
  'bytes/s': '((B|KiB|MiB|GiB)(/s)?)?',
  ms: '(ms|s|m|h)?',
}

/** What a file may give for an option; undefined where only code can give it. */
export function optionSchema(option: Option): JsonSchema | undefined {
  const { type, help, isList, default: standard } = option
  if (type === 'code') return undefined
  const one = valueSchema(option)
  return {
    description: `${help.replace(/^./, letter => letter.toUpperCase())}.`,
    ...(isList ? { anyOf: [one, { type: 'array', items: one, minItems: 1 }] } : one),
    ...(standard === undefined ? {} : { default: standard }),
  }
}

function valueSchema({ type, unit, minimum = 0, maximum, choices = [] }: Option): JsonSchema {
  switch (type) {
    case 'integer':
      return {
        anyOf: [
          { type: 'integer', minimum, maximum },
          { type: 'string', pattern: `${quantity(unit)}|${REFERENCE}` },
        ],
      }
    case 'boolean':
      return { anyOf: [{ type: 'boolean' }, { type: 'string', pattern: `^(true|false)$|${REFERENCE}` }] }
    case 'choice': {
      const written = choices.flatMap(choice =>
        typeof choice === 'number' ? [choice, String(choice)] : [choice],
      )
      return { anyOf: [{ enum: written }, { type: 'string', pattern: REFERENCE }] }
    }
    default:
      return { type: 'string', ...(minimum === 0 ? {} : { minLength: minimum }) }
  }
}

function quantity(unit: Unit | undefined): string {
  return unit === undefined ? '^-?\\d+$' : `^-?\\d+(\\.\\d+)? ?${UNITS[unit]}$`
}

/** An object of options by name, and of no other; `needed` are those that must be there beyond the required ones. */
export function optionsSchema(table: OptionTable, needed: readonly string[] = []): JsonSchema {
  const properties: Record<string, JsonSchema> = {}
  const required = [...needed]
  for (const [name, option] of Object.entries(table)) {
    const schema = optionSchema(option)
    if (schema !== undefined) properties[name] = schema
    if (option.presence === 'required') required.push(name)
  }
  return { type: 'object', properties, required, additionalProperties: false }
}

/** One step of a pipeline: a name, or a name with arguments and options. */
export function stepSchema(factories: ReadonlyMap<string, StageFactory>): JsonSchema {
  const bare: string[] = []
  const properties: Record<string, JsonSchema> = {}
  for (const [name, factory] of factories) {
    const values = valuesSchema(factory)
    for (const spelling of new Set([name, kebabCase(name)])) {
      properties[spelling] = values
      if (!needsValues(factory)) bare.push(spelling)
    }
  }
  return {
    anyOf: [
      { enum: bare },
      { type: 'object', properties, minProperties: 1, maxProperties: 1, additionalProperties: false },
    ],
  }
}

function needsValues({ definition }: StageFactory): boolean {
  const options = Object.values(definition.options)
  return (
    Object.keys(definition.arguments).length > 0 || options.some(({ presence }) => presence === 'required')
  )
}

/** What may stand behind the name of a stage. */
function valuesSchema(factory: StageFactory): JsonSchema {
  const { summary, arguments: list, options } = factory.definition
  const names = Object.keys(list)
  const schemas = Object.values(list).map(option => optionSchema(option) ?? {})
  const byName = optionsSchema({ ...list, ...options }, names)
  const inOrder = {
    type: 'array',
    prefixItems: [...schemas, optionsSchema(options)],
    items: false,
    minItems: names.length,
  }
  const [only = { type: 'null' }] = schemas
  const alone = names.length > 1 ? [] : [needsValues(factory) && names.length === 0 ? false : only]
  const description =
    summary === '' ? {} : { description: `${summary.replace(/^./, letter => letter.toUpperCase())}.` }
  return { ...description, anyOf: [byName, inOrder, ...alone] }
}
