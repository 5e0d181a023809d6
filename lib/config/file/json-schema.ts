import type { Definition, StageFactory } from '../../definition.js'
import { WEBSOCKET_OPTIONS } from '../../listener/websocket/websocket-options.js'
import { MAX_WORKERS, WORKERS_OPTIONS } from '../../listener/workers/workers-options.js'
import type { Option, OptionTable } from '../../options/option.js'
import { formatQuantity, type Unit } from '../../options/quantity.js'
import { STATUS_ADDRESS } from '../../status-server/status-address.js'
import { STATUS_OPTIONS } from '../../status-server/status-options.js'
import { LISTENER_OPTIONS } from '../listener-options.js'
import { find, kebabCase, PRESET, type Registry } from '../registry.js'
import { TLS_FILE_OPTIONS } from '../tls-files.js'

/** A JSON Schema of draft 7, which editors also use for YAML. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** The pattern of a text with a reference to the environment, such as `${PORT:-8080}`. */
const REFERENCE = '\\$\\{'

/** The pattern of what may stand behind a number. */
const UNITS: Readonly<Record<Unit, string>> = {
  bytes: '(B|KiB|MiB|GiB)',
  'bytes/s': '(B|KiB|MiB|GiB)(/s)?',
  ms: '(ms|s|m|h)',
}

/**
 * Makes the schema of files. Every file that `readConfiguration` accepts matches it; it cannot express which stage may
 * follow which, which listeners and presets there are, and which options go together.
 */
export function fileSchema(registry: Registry): JsonSchema {
  const stages = namedStages(registry)
  const own = { pipeline: reference('pipeline') }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'bywash',
    description: 'Listeners, their pipelines, and tests.',
    ...mapping(
      {
        $schema: {},
        import: { description: 'Modules whose exported stages can be named here.', ...oneOrMore(TEXT) },
        status: {
          description: sentence(STATUS_ADDRESS.help),
          anyOf: [{ type: ['string', 'integer'] }, options(STATUS_OPTIONS)],
        },
        workers: {
          description: sentence(WORKERS_OPTIONS.count.help),
          anyOf: [WORKER_COUNT, mapping({ ...properties(WORKERS_OPTIONS), count: WORKER_COUNT }, ['count'])],
        },
        listeners: list(reference('listener')),
        tests: list(reference('test')),
      },
      ['listeners'],
    ),
    // Imported stages have names and options that no schema knows.
    if: { required: ['import'] },
    else: {
      properties: { listeners: { items: { properties: own } }, tests: { items: { properties: own } } },
    },
    definitions: {
      listener: mapping(
        {
          name: { description: 'What log lines and tests call it by.', type: 'string' },
          listen: { description: 'Where it listens, and its limits.', ...listen() },
          pipeline: anyPipeline(),
        },
        ['name', 'pipeline'],
      ),
      test: mapping(
        {
          name: { type: 'string' },
          pipeline: anyPipeline(),
          send: { description: 'What a client sends before it ends its side.', ...reference('bytes') },
          expect: { description: 'All that it is to get.', ...reference('bytes') },
        },
        ['name', 'pipeline', 'expect'],
      ),
      bytes: {
        anyOf: [
          { type: 'string' },
          mapping({ base64: { type: 'string' } }, ['base64']),
          mapping({ hex: { type: 'string' } }, ['hex']),
          { type: 'array', items: reference('bytes') },
        ],
      },
      pipeline: { anyOf: [{ type: 'string' }, list(reference('step'))] },
      step: step(stages),
      ...Object.fromEntries(stages.map(stage => [`step:${stage.name}`, values(stage)])),
    },
  }
}

function listen(): JsonSchema {
  const { fd, ...others } = properties(LISTENER_OPTIONS)
  return mapping(
    {
      ...others,
      fd: { ...fd, type: ['integer', 'string'] },
      tls: { description: 'Speaks TLS.', ...options(TLS_FILE_OPTIONS, ['cert', 'key']) },
      websocket: {
        description: 'Serves WebSockets; true is all defaults.',
        anyOf: [orText({ type: 'boolean' }, '^(true|false)$'), options(WEBSOCKET_OPTIONS)],
      },
    },
    [],
  )
}

const TEXT = { type: 'string', minLength: 1 }

const WORKER_COUNT = orText({ type: 'integer', minimum: 1, maximum: MAX_WORKERS }, '^(auto|\\d+)$')

function reference(name: string): JsonSchema {
  // Draft 7 ignores every key beside a $ref.
  return { allOf: [{ $ref: `#/definitions/${name}` }] }
}

function mapping(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items, minItems: 1 }
}

function oneOrMore(one: JsonSchema): JsonSchema {
  return { anyOf: [one, list(one)] }
}

/** A pipeline of any stages: the name of a listener or a preset, or a list of names with or without values. */
function anyPipeline(): JsonSchema {
  return {
    description: "A list of stages, from top to bottom; or the name of a preset, such as 'echo'.",
    anyOf: [
      { type: 'string' },
      list({ anyOf: [TEXT, { type: 'object', minProperties: 1, maxProperties: 1 }] }),
    ],
  }
}

/** All stages and presets that a step can name. */
function namedStages(registry: Registry): readonly NamedStage[] {
  const presets = [...registry.presets.keys()]
  return [...registry.stages.keys(), ...presets.map(name => PRESET + name), ...presets].map(name => {
    const { definition } = find(registry, name) as StageFactory
    // The bare name of a preset means the preset, even where a stage has the same name.
    return { name, definition, isBare: presets.includes(name) || neededBy(definition).length === 0 }
  })
}

interface NamedStage {
  readonly name: string
  readonly definition: Definition
  /** Whether the name may stand without any values. */
  readonly isBare: boolean
}

/** One step: a name, or a name with arguments and options. */
function step(stages: readonly NamedStage[]): JsonSchema {
  const spelt = stages.flatMap(stage =>
    [stage.name, kebabCase(stage.name)].map(spelling => ({ ...stage, spelling })),
  )
  const bare = spelt.filter(({ isBare }) => isBare).map(({ spelling }) => spelling)
  const properties = spelt.map(({ name, spelling }) => [spelling, reference(`step:${name}`)])
  return {
    anyOf: [
      { enum: [...new Set(bare)] },
      { ...mapping(Object.fromEntries(properties), []), minProperties: 1, maxProperties: 1 },
    ],
  }
}

/** The names of the arguments and options that are required. */
function neededBy({ arguments: list, options: table }: Definition): readonly string[] {
  const order = Object.keys(list).filter(name => list[name]?.presence !== 'default')
  return [...order, ...Object.keys(table).filter(name => table[name]?.presence === 'required')]
}

/** The values behind the name of a stage: by name, a list of arguments with options at its end, or a single argument. */
function values({ definition, isBare }: NamedStage): JsonSchema {
  const table = { ...definition.arguments, ...definition.options }
  const inOrder = Object.values(definition.arguments).map(writtenValue)
  const isOpen = Object.values(definition.arguments).at(-1)?.isList === true
  return {
    description: sentence(definition.summary),
    anyOf: [
      options(table, neededBy(definition)),
      // An argument may be given by name too, so its place in the list is not fixed.
      {
        ...list({ anyOf: [...inOrder, options(table)] }),
        ...(isOpen ? {} : { maxItems: inOrder.length + 1 }),
      },
      ...(inOrder.length === 1 || isOpen ? inOrder.slice(0, 1) : []),
      ...(isBare ? [{ enum: [null, {}, []] }] : []),
    ],
  }
}

/** A mapping of options by name. */
function options(table: OptionTable, required: readonly string[] = []): JsonSchema {
  return mapping(properties(table), required)
}

function properties(table: OptionTable): Readonly<Record<string, JsonSchema>> {
  const written = Object.entries(table).filter(([, { type }]) => type !== 'code')
  return Object.fromEntries(written.map(([name, option]) => [name, writtenValue(option)]))
}

/** The value of an option in a file. */
function writtenValue(option: Option): JsonSchema {
  const { help, isList, unit, default: defaultValue } = option
  const one = oneValue(option)
  return {
    description: sentence(help),
    ...(isList ? oneOrMore(one) : one),
    ...(defaultValue === undefined
      ? {}
      : { default: unit === 'ms' ? formatQuantity(defaultValue as number, unit) : defaultValue }),
  }
}

function oneValue({ type, unit, minimum = 0, maximum, choices = [] }: Option): JsonSchema {
  switch (type) {
    case 'integer':
      return unit === 'ms' ? time(minimum) : orText({ type: 'integer', minimum, maximum }, quantity(unit))
    case 'boolean':
      return orText({ type: 'boolean' }, '^(true|false)$')
    case 'choice':
      return orText({ enum: [...choices, ...choices.filter(isNumber).map(String)] })
    default:
      return { type: 'string', minLength: minimum }
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

/** A value, or a text that stands for one; a reference to the environment may stand for any. */
function orText(value: JsonSchema, ...patterns: readonly string[]): JsonSchema {
  return { anyOf: [value, { type: 'string', pattern: [...patterns, REFERENCE].join('|') }] }
}

/** A time: a text with a unit, or 0 where that is allowed. */
function time(minimum: number): JsonSchema {
  return orText({ type: 'integer', minimum, maximum: 0 }, '^-?0+$', `^-?\\d+(\\.\\d+)? ?${UNITS.ms}$`)
}

function quantity(unit: Unit | undefined): string {
  const whole = '^-?\\d+'
  return unit === undefined ? `${whole}$` : `${whole}( ?${UNITS[unit]})?$|${whole}\\.\\d+ ?${UNITS[unit]}$`
}

function sentence(phrase: string): string {
  return `${phrase.replace(/^./, letter => letter.toUpperCase())}.`
}
