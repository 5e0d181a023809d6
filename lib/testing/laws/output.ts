import { isDeepStrictEqual } from 'node:util'
import { chunkings } from '../chunkings.js'
import { copyOf } from '../copy.js'
import { show, testCode, variable } from '../show.js'
import { shrink } from '../shrink.js'
import { isSameResult, type Opened, type Result, type Subject } from '../subject.js'
import type { Trial } from '../trial.js'
import { quiet } from '../turns.js'
import type { Breach, Law } from './law.js'

/** Items to feed, and the number of them that come together. */
interface Feed {
  readonly items: readonly unknown[]
  readonly batch: number
}

/** The ways to feed an example: bytes in many cuts, other items in batches. */
function* feeds({ accepts, sample, settings }: Subject): Generator<Feed> {
  const { items } = sample
  const { seed, random } = settings
  if (accepts === 'bytes') {
    const [input] = items as [Buffer]
    for (const chunks of chunkings(input, { seed, random })) yield { items: chunks, batch: 1 }
    const bytes = [...input].map(byte => Buffer.of(byte))
    for (const batch of batchSizes(bytes.length)) yield { items: bytes, batch }
  } else {
    for (const batch of batchSizes(items.length)) yield { items, batch }
  }
}

function batchSizes(length: number): readonly number[] {
  return [...new Set([2, 3, length])].filter(size => size > 1 && size <= length)
}

/** The input in its smallest pieces: single bytes, or the items. */
export function smallestPieces({ accepts, sample }: Subject): readonly unknown[] {
  const [input] = sample.items
  return accepts === 'bytes' ? [...(input as Buffer)].map(byte => Buffer.of(byte)) : sample.items
}

async function checkIsolation(subject: Subject): Promise<Breach | undefined> {
  const opened = [await subject.open(), await subject.open()] as const
  const [one, other] = opened.map(({ trial }) => trial) as [Trial, Trial]
  const pieces = smallestPieces(subject)
  for (const item of pieces) for (const trial of [one, other]) await trial.feed([copyOf(item)])
  for (const trial of [one, other]) await trial.end()
  for (const trial of [one, other]) trial.close()
  const [expected, actual] = [subject.resultOf(one), subject.resultOf(other)]
  if (isSameResult(expected, actual)) return undefined
  // The connections have different ids, which a stage may tell. So it would also when they come one after the other.
  const alone = ({ connection: { id } }: Opened) => subject.run(pieces.map(copyOf), 1, { id })
  if (isSameResult(expected, await alone(opened[0])) && isSameResult(actual, await alone(opened[1])))
    return undefined
  return {
    detail: 'Two connections were fed the same, in turn, and the second gave something else than the first.',
    input: subject.sample.items,
    expected,
    actual,
  }
}

async function checkExample(subject: Subject): Promise<Breach | undefined> {
  const { items, expected } = subject.sample
  const actual = await subject.run(items.map(copyOf))
  if (isSameResult(expected, actual)) return undefined
  // What tells the id of its connection tells that of the first one.
  subject.id = 1
  if (isSameResult(expected, await subject.run(items.map(copyOf)))) return undefined
  return { input: items, expected, actual }
}

async function checkCuts(subject: Subject): Promise<Breach | undefined> {
  for (const { items, batch } of feeds(subject)) {
    const actual = await subject.run(items.map(copyOf), batch)
    if (!isSameResult(subject.sample.expected, actual)) return smallestCut(subject, { items, batch })
  }
  return undefined
}

/** A mark between two chunks, in a list of bytes that is shrunk. */
const CUT = Symbol('cut')

/** Shrinks a failing feed: leaves out cuts and bytes (or items) as long as the input gives something else cut than whole. */
async function smallestCut(subject: Subject, feed: Feed): Promise<Breach> {
  const { sample } = subject
  const isBytes = subject.accepts === 'bytes'
  // No socket gives an empty chunk. Where there is one, the same cut without it did not fail before.
  const hasEmpty = feed.items.some(item => (item as Buffer).length === 0)
  const compare = async (parts: readonly unknown[]) => {
    const items = isBytes ? chunksOf(parts) : parts
    const expected = await subject.run(isBytes ? [Buffer.concat(items as Buffer[])] : items.map(copyOf))
    const actual = await subject.run(items.map(copyOf), feed.batch)
    return { items, expected, actual }
  }
  const parts = isBytes
    ? feed.items.flatMap((chunk, index) => [...(index > 0 ? [CUT] : []), ...(chunk as Buffer)])
    : feed.items
  const smallest = await shrink<unknown>(parts, async fewer => {
    if (isBytes && !hasEmpty && chunksOf(fewer).some(({ length }) => length === 0)) return false
    const { expected, actual } = await compare(fewer)
    return expected.error === sample.expected.error && !isSameResult(expected, actual)
  })
  const { items, expected, actual } = await compare(smallest)
  const { batch } = feed
  return { input: items, expected, actual, test: cutTest(subject, { items, batch }, expected) }
}

function chunksOf(parts: readonly unknown[]): Buffer[] {
  const chunks: number[][] = [[]]
  for (const part of parts) {
    if (part === CUT) chunks.push([])
    else chunks.at(-1)?.push(part as number)
  }
  return chunks.map(chunk => Buffer.from(chunk))
}

function cutTest({ name, plan, emits }: Subject, { items, batch }: Feed, expected: Result): string {
  const stage = variable(name)
  const options = batch === 1 ? `{ plan: '${plan}' }` : `{ plan: '${plan}', batch: ${batch} }`
  const run = `runStage(${stage}, ${show(items)}, ${options})`
  const output = emits === 'bytes' ? 'Buffer.concat(output)' : 'output'
  const body =
    expected.error === undefined
      ? `const output = await ${run}`
      : `const { code, output } = await ${run}.catch(error => error)\nassert.equal(code, ${show(expected.error)})`
  const claim = `assert.deepEqual(${output}, ${show(expected.output)})`
  return testCode(`${stage} gives the same however its input is cut`, ['runStage'], `${body}\n${claim}`)
}

async function checkUnchanged(subject: Subject): Promise<Breach | undefined> {
  const given: unknown[] = []
  for (const whole of [subject.sample.items, smallestPieces(subject)]) {
    given.length = 0
    const items = whole.map(copyOf)
    const { trial } = await subject.open({ given: item => given.push(copyOf(item)) })
    await trial.feed(items)
    await trial.end()
    trial.close()
    await quiet(() => trial.output.length)
    for (const [detail, expected, actual] of [
      ['An item was changed after it had been handed to the stage.', whole, items],
      ['An item was changed after the stage had handed it on.', given, trial.output],
    ] as const) {
      if (!isDeepStrictEqual(expected, actual)) return { detail, expected, actual }
    }
  }
  return undefined
}

/** The laws about the output. A stage that breaks one of them often breaks later ones too, so the order matters. */
export const OUTPUT_LAWS: readonly Law[] = [
  { name: 'isolation', says: 'two connections of one stage share no state', check: checkIsolation },
  { name: 'unchanged', says: 'what is handed over is not changed any more', check: checkUnchanged },
  { name: 'example', says: 'the input of the example gives its output', check: checkExample },
  { name: 'cuts', says: 'the output is the same however the input is cut', check: checkCuts },
]
