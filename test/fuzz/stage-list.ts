import fc from 'fast-check'
import { type StageFactory, stageFrom } from '../../lib/definition.js'
import { InvalidOptionError } from '../../lib/errors.js'
import { type Kind, type Pipeline, pipeline } from '../../lib/index.js'
import type { Values } from '../../lib/options/option-values.js'
import type { AnyStage, Stage } from '../../lib/stage.js'
import { catalogue } from '../../lib/stages/catalogue.js'
import { optionValues } from './option-values.js'

/** A stage by its name, with the values of its arguments and options. */
export type StageChoice = readonly [name: string, values: Values]

/** The factories of stages, by the names of the stages. */
export type Factories = ReadonlyMap<string, StageFactory>

/** The stage that leads from one kind to another, where a list has none that fits. */
const BRIDGES: ReadonlyMap<string, StageChoice> = new Map([
  ['bytes line', ['lines', { delimiter: '\n' }]],
  ['bytes frame', ['delimited', { delimiters: '\n' }]],
  ['line bytes', ['toLines', {}]],
  ['frame bytes', ['toLines', { encoding: 'buffer' }]],
  ['line value', ['jsonLines', { invalid: 'skip' }]],
  ['value line', ['toJsonLines', {}]],
])

/** What `gzip` gives depends on when its input came, so that it is read again where other stages follow. */
const READ_AGAIN: StageChoice = ['gunzip', { maxRatio: 1_000_000 }]

/** The stages for which an item is a chunk where bytes flow, and where those are cut means nothing. */
const COUNTS_ITEMS = ['take', 'skip', 'throttle']

/** Random stages in a list that fits, from bytes to bytes. */
export function stageList(factories: Factories): fc.Arbitrary<readonly StageChoice[]> {
  const choices = [...factories].map(([name, { definition }]) =>
    fc.tuple(fc.constant(name), optionValues(definition)),
  )
  return fc.array(fc.oneof(...choices), { maxLength: 6 }).map(chosen => fitted(chosen, factories))
}

/** A list with these stages in this order, with others between them where they do not fit. */
export function fitted(chosen: readonly StageChoice[], factories: Factories): readonly StageChoice[] {
  const list: StageChoice[] = []
  let kind: Kind = 'bytes'
  for (const [index, choice] of chosen.entries()) {
    const stage = stageOf(choice, factories)
    const countsChunks = kind === 'bytes' && stage?.accepts === 'any' && COUNTS_ITEMS.includes(choice[0])
    if (stage === undefined || countsChunks) continue
    if (stage.accepts !== 'any') list.push(...bridge(kind, stage.accepts))
    list.push(choice)
    if (stage.accepts !== 'any') kind = stage.accepts
    if (stage.emits !== 'same') kind = stage.emits
    if (choice[0] === 'gzip' && index < chosen.length - 1) list.push(READ_AGAIN)
  }
  return [...list, ...bridge(kind, 'bytes')]
}

function bridge(from: Kind, to: Kind): readonly StageChoice[] {
  if (from === to) return []
  const direct = BRIDGES.get(`${from} ${to}`)
  if (direct !== undefined) return [direct]
  // A line is one step from bytes and from a value, and a frame is only one from bytes.
  const middle = from === 'frame' || to === 'frame' ? 'bytes' : 'line'
  return [...bridge(from, middle), ...bridge(middle, to)]
}

/** The stage; undefined where the values do not go together. */
function stageOf([name, values]: StageChoice, factories: Factories): AnyStage | undefined {
  try {
    return stageFrom(factoryOf(name, factories), values)
  } catch (error) {
    if (error instanceof InvalidOptionError) return undefined
    throw error
  }
}

function factoryOf(name: string, factories: Factories): StageFactory {
  return (factories.get(name) ?? catalogue.get(name)) as StageFactory
}

/** The pipeline of a list. A `tee` writes into `folder`. */
export function pipelineOf(
  list: readonly StageChoice[],
  factories: Factories,
  folder: string,
): Pipeline<Buffer, Buffer> {
  return list.reduce((begun, [name, values]) => {
    const placed = name === 'tee' ? { ...values, to: `${folder}/${values.to}` } : values
    return begun.through(stageFrom(factoryOf(name, factories), placed) as Stage<Buffer, Buffer>)
  }, pipeline())
}
