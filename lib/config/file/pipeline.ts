import type { Pipeline } from '../../pipeline.js'
import { pipelineOf } from '../build-pipeline.js'
import { didYouMean } from '../did-you-mean.js'
import type { Problem, Span } from '../problem.js'
import { PRESET } from '../registry.js'
import type { GivenOption, GivenValue, Step } from '../step.js'
import { hasReference, replaceReferences } from './environment.js'
import { itemsOf, kindOf } from './fields.js'
import type { Reading } from './reading.js'
import type { Entry, Node, ScalarNode } from './tree.js'
import { plain } from './tree.js'

const REMEDY = "Write '- uppercase', '- lines: { maxLength: 4KiB }' or '- welcome: Hello'."

/** A pipeline of a file; undefined where it has problems. */
export interface ReadPipeline {
  readonly pipeline: Pipeline<Buffer, Buffer> | undefined
  /** The steps as JSON, without their places: two that are equal make equal pipelines. */
  readonly written: string
}

/** The pipeline of a listener, which a test can name. */
type NamedPipeline = ReadPipeline & { readonly name: string }

/** Reads a pipeline: a list of stages, or the name of a listener or of a preset. */
export function readPipeline(
  node: Node,
  reading: Reading,
  listeners: readonly NamedPipeline[] = [],
): ReadPipeline {
  const { registry, problems } = reading
  const listener = node.type === 'scalar' && listeners.find(({ name }) => name === node.value)
  if (listener) return listener
  const steps = node.type === 'scalar' ? readPreset(node, reading, listeners) : readSteps(node, reading)
  const built = pipelineOf(steps, registry, 'file')
  // A place that has a problem already gets no second one, which would only follow from the first.
  const places = new Set(problems.map(({ at }) => at.start))
  problems.push(...built.problems.filter(({ at }) => !places.has(at.start)))
  return { pipeline: built.pipeline, written: JSON.stringify(steps, withoutPlaces) }
}

function withoutPlaces(key: string, value: unknown): unknown {
  return key === 'at' || key === 'nameAt' ? undefined : value
}

function readPreset(
  node: ScalarNode,
  { registry: { presets }, problems }: Reading,
  listeners: readonly NamedPipeline[],
): readonly Step[] {
  const { at, value } = node
  const name = String(value).replace(/^preset:/, '')
  if (presets.has(name)) return [named(PRESET + name, at)]
  if (hasReference(name)) {
    problems.push(refuseReference(at))
    return []
  }
  const names = [...listeners.map(({ name }) => name), ...presets.keys()]
  const what = listeners.length === 0 ? 'preset' : 'listener and no preset'
  const message =
    typeof value === 'string'
      ? `There is no ${what} named '${value}'.`
      : `'pipeline' is a list of stages, or a name; got ${kindOf(node)}.`
  const remedy = didYouMean(name, names) || `Write a list of stages, or one of ${names.join(', ')}.`
  problems.push({ at, message, remedy })
  return []
}

/** Reads a list of stages. An item that is no stage becomes a step without a name, to keep its place. */
function readSteps(list: Node, reading: Reading): readonly Step[] {
  return itemsOf(list, "'pipeline'", reading.problems).map(item => {
    const step = readStep(item, reading)
    if (hasReference(step.name)) reading.problems.push(refuseReference(step.at))
    return step
  })
}

function readStep(item: Node, { environment, problems }: Reading): Step {
  const { at } = item
  if (item.type === 'scalar' && typeof item.value === 'string') return named(item.value, at)
  const [first, second] = item.type === 'map' ? item.entries : []
  if (first === undefined) {
    problems.push({
      at,
      message: `A stage is a name, with or without options; got ${kindOf(item)}.`,
      remedy: REMEDY,
    })
    return named('', at)
  }
  if (second !== undefined) {
    const message = `'${second.name}' stands beside '${first.name}', but an item is one stage.`
    const remedy = `Indent it further where it is an option of '${first.name}', or put '- ' before it.`
    problems.push({ at: second.nameAt, message, remedy })
  }
  const values = replaceReferences(first.value, environment, problems)
  return { name: first.name, at: first.nameAt, ...argumentsOf(values) }
}

function named(name: string, at: Span): Step {
  return { name, at, arguments: [], options: [] }
}

/** Reads the values behind a name: options, one argument, or a list of arguments with options at its end. */
function argumentsOf(values: Node): Pick<Step, 'arguments' | 'options'> {
  if (values.type === 'map') return { arguments: [], options: optionsOf(values.entries) }
  if (values.type === 'list') {
    const last = values.items.at(-1)
    const options = last?.type === 'map' ? last.entries : []
    const given = last?.type === 'map' ? values.items.slice(0, -1) : values.items
    return { arguments: given.map(givenBy), options: optionsOf(options) }
  }
  return { arguments: values.value === null ? [] : [givenBy(values)], options: [] }
}

function optionsOf(entries: readonly Entry[]): GivenOption[] {
  return entries.map(({ name, nameAt, value }) => ({ name, nameAt, ...givenBy(value) }))
}

function givenBy(node: Node): GivenValue {
  return { value: plain(node), at: node.at }
}

/** The problem of a reference in a name: the environment may choose values, but never the code that runs. */
export function refuseReference(at: Span): Problem {
  const message = 'The environment cannot choose what runs: no stage, pipeline or module.'
  return { at, message, remedy: `Write its name, and \${NAME} in values only.` }
}
