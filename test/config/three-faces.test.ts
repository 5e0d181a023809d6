import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { readConfiguration } from '../../lib/config/file/configuration.js'
import { waysBetween } from '../../lib/config/fitting.js'
import { showProblems } from '../../lib/config/problem.js'
import { builtIn, kebabCase } from '../../lib/config/registry.js'
import { formatText } from '../../lib/config/text/format-text.js'
import { pipelineOfText } from '../../lib/config/text/text-pipeline.js'
import { stageFrom } from '../../lib/definition.js'
import { PLAN_MODES, type PlanMode } from '../../lib/engine/planned-stage.js'
import { InvalidOptionError } from '../../lib/errors.js'
import type { Kind } from '../../lib/kind.js'
import type { Option, OptionTable } from '../../lib/options/option.js'
import { formatQuantity } from '../../lib/options/quantity.js'
import { type Pipeline, pipeline } from '../../lib/pipeline.js'
import type { AnyStage, Stage } from '../../lib/stage.js'
import { runStage } from '../../lib/testing/index.js'
import { ANY_CHARACTER } from '../any-character.js'
import { runs } from '../runs.js'

type Bytes = Pipeline<Buffer, Buffer>
type Gen = fc.GeneratorValue
type Values = Record<string, unknown>

const registry = builtIn()

/** What passes time, writes to disk, connects to a server, runs a program or remembers other connections is compared by its plan only. */
const NOT_RUN = ['throttle', 'tee', 'upstream', 'exec', 'broadcast']

/** Values of options for which few texts are allowed. */
const ADDRESSES = fc.constantFrom('a.local:1', 'tls://[::1]:65535, ./b c.sock')

/** zlib works in another thread, which cuts what it gives as it comes, and what `gzip` gives depends on the cuts. */
function isTimed(stages: readonly AnyStage[]): boolean {
  const names = stages.map(({ name }) => name)
  const first = names.findIndex(name => name === 'gzip' || name === 'gunzip')
  return names.some(name => NOT_RUN.includes(name)) || names.lastIndexOf('gzip') > Math.max(first, 0)
}

/** A stage in code, and what a file writes for it. */
interface Written {
  readonly stage: AnyStage
  readonly item: unknown
}

/** Texts that mean something else in one of the faces, and any others. */
const text = fc.oneof(
  fc.constantFrom(
    '--x',
    '--',
    '-5',
    '$HOME',
    '${HOME}',
    '$${',
    '`id`',
    "'",
    '"',
    '\\',
    '\\n',
    '\n',
    'a|b',
    '#',
    'é ',
  ),
  fc.constantFrom(
    '',
    ' ',
    'true',
    'null',
    '1',
    '~',
    '*',
    '{a,b}',
    'a=b',
    '<(a)',
    '!',
    '\0',
    '\u001b',
    '\u2028',
    'if',
  ),
  fc.string({ maxLength: 6, unit: ANY_CHARACTER }),
)

function randomValue(g: Gen, { type, choices, isList, minimum = 0, maximum = 5000 }: Option): unknown {
  const word = () => g(() => text.filter(({ length }) => length >= minimum))
  if (type === 'integer') return g(fc.integer, { min: minimum, max: Math.min(maximum, 5000) })
  if (type === 'boolean') return g(fc.boolean)
  if (type === 'choice') return g(fc.constantFrom, ...choices!)
  return isList && g(fc.boolean) ? Array.from({ length: g(fc.integer, { min: 1, max: 3 }) }, word) : word()
}

/** Options as code, a text and a file can all give them. */
function randomValues(g: Gen, table: OptionTable, isNeeded = false): Values {
  const chosen = Object.entries(table).filter(
    ([, { type, presence }]) =>
      type !== 'code' && (isNeeded || presence === 'required' || g(fc.integer, { min: 0, max: 2 }) === 0),
  )
  return Object.fromEntries(
    chosen.map(([name, option]) => [name, name === 'address' ? g(() => ADDRESSES) : randomValue(g, option)]),
  )
}

/** A value as a file may write it: with a unit, as text, or as it is. */
function inFile(g: Gen, option: Option, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(one => inFile(g, option, one))
  if (typeof value === 'string') return value.replaceAll('${', () => '$${')
  // A time has a unit in a file.
  if (option.unit !== 'ms' && !g(fc.boolean)) return value
  return typeof value === 'number' ? formatQuantity(value, option.unit) : String(value)
}

/** A stage with random values, or undefined where its options do not go together. */
function written(g: Gen, name: string): Written | undefined {
  const factory = registry.stages.get(name)!
  const { arguments: list, options: table } = factory.definition
  const values = randomValues(g, list, true)
  const options = randomValues(g, table)
  let stage: AnyStage
  try {
    stage = stageFrom(factory, { ...values, ...options })
  } catch (error) {
    if (error instanceof InvalidOptionError) return undefined
    throw error
  }
  const write = (values: Values) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, inFile(g, { ...list, ...table }[name]!, value)]),
    )
  const [inOrder, byName] = [write(values), write(options)]
  const spelling = g(fc.boolean) ? name : kebabCase(name)
  const whole = { ...inOrder, ...byName }
  if (Object.keys(whole).length === 0) return { stage, item: g(fc.boolean) ? spelling : { [spelling]: {} } }
  const alone = Object.values(inOrder)
  const inList = Object.keys(byName).length === 0 ? alone : [...alone, byName]
  return { stage, item: { [spelling]: g(fc.boolean) ? whole : alone.length > 0 ? inList : byName } }
}

/** A random list of stages from bytes to bytes, with random options; one of them has the name. */
function writtenList(g: Gen, name: string): readonly Written[] {
  const list: Written[] = []
  let kind: Kind = 'bytes'
  const add = (name: string) => {
    const next = written(g, name)
    if (next === undefined || (next.stage.accepts !== 'any' && next.stage.accepts !== kind)) return
    list.push(next)
    if (next.stage.emits !== 'same') kind = next.stage.emits
  }
  const addSome = () => {
    for (let left = g(fc.nat, { max: 3 }); left > 0; left--)
      add(g(fc.constantFrom, ...registry.stages.keys()))
  }
  const lead = (to: Kind | 'any') => {
    while (to !== 'any' && kind !== to) add(g(fc.constantFrom, ...waysBetween(registry, kind, to))[0]!)
  }
  addSome()
  const { accepts } = registry.stages.get(name)!.definition
  while (list.at(-1)?.stage.name !== name) {
    lead(accepts)
    add(name)
  }
  addSome()
  lead('bytes')
  return list
}

async function outcome(whole: Bytes, chunks: readonly Buffer[], plan: PlanMode): Promise<unknown> {
  try {
    return { output: Buffer.concat(await runStage(whole, chunks, { plan })).toString('latin1') }
  } catch (error) {
    const { message, output } = error as Error & { output: readonly Buffer[] }
    return { message, output: Buffer.concat(output).toString('latin1') }
  }
}

function fromText(text: string): Bytes {
  const { pipeline, problems } = pipelineOfText(text, registry)
  if (pipeline === undefined) throw new Error(showProblems(text, problems))
  return pipeline
}

async function fromFile(items: readonly unknown[]): Promise<Bytes> {
  const steps = items.length === 0 ? 'echo' : items
  const text = JSON.stringify({ listeners: [{ name: 'a', pipeline: steps }] })
  const { configuration, problems } = await readConfiguration(text, { environment: {}, folder: '.' })
  if (configuration === undefined) throw new Error(showProblems(text, problems))
  return configuration.listeners[0]!.pipeline
}

function cut(bytes: Uint8Array, places: readonly number[]): readonly Buffer[] {
  const ends = places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b)
  return [...ends, bytes.length]
    .map((end, index) => Buffer.from(bytes.slice(ends[index - 1] ?? 0, end)))
    .filter(chunk => chunk.length > 0)
}

const input = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(
      fc.constantFrom('a', 'B', '\n', '\r\n', 'é', '5:hello,', '{"a":1}\n', '\0\0\0\u0001x', '6869', '\xc0'),
    )
    .map(words => new Uint8Array(Buffer.from(words.join('')))),
)

for (const name of registry.stages.keys()) {
  t.test(`code, text and file of a list with ${name} have equal plans and give equal bytes`, async t => {
    const places = fc.array(fc.nat({ max: 40 }), { maxLength: 4 })
    const property = fc.asyncProperty(fc.gen(), input, places, async (g, bytes, places) => {
      const list = writtenList(g, name)
      const code = list.reduce(
        (begun, { stage }) => begun.through(stage as unknown as Stage<Buffer, Buffer>),
        pipeline(),
      )
      const text = formatText(code.stages)
      const chunks = cut(bytes, places)
      for (const face of [fromText(text), await fromFile(list.map(({ item }) => item))]) {
        assert.equal(formatText(face.stages), text)
        for (const plan of PLAN_MODES) {
          assert.equal(String(face.explain({ plan })), String(code.explain({ plan })))
          if (isTimed(code.stages)) continue
          assert.deepEqual(await outcome(face, chunks, plan), await outcome(code, chunks, plan), text)
        }
      }
    })
    await fc.assert(property, { numRuns: runs(20), endOnFailure: true })
    t.pass()
  })
}
