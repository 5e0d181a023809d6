import type { LineEncoding } from '../../block-role.js'
import type { ByteTable } from '../../byte-table.js'
import { randomNumbers } from '../chunkings.js'
import { show, testCode, variable } from '../show.js'
import { shrink } from '../shrink.js'
import type { Result, Subject } from '../subject.js'
import type { Breach, Law } from './law.js'

const ENCODINGS: readonly LineEncoding[] = ['utf8', 'latin1']
/** Blocks of random lines, for each encoding. */
const RANDOM_BLOCKS = 50
/** Characters of such a block, before its last line feed. */
const MAX_LINE_CHARACTERS = 24
/** Characters that break maps which are not bytewise: some have several bytes, or another length in the other case. */
const CHARACTERS: Record<LineEncoding, string> = {
  utf8: 'aAzZ09 .\r\t\0\u007féßµÿİıŉ€ﬁ😀',
  latin1: 'aAzZ09 .\r\t\0\u007f\u0080éßµÿ\u00ff',
}

/** Applies a stage to the lines of a block and its table to the bytes of the block, and compares the two. */
async function compare(
  subject: Subject,
  table: ByteTable,
  encoding: LineEncoding,
  text: string,
): Promise<{ expected: unknown; actual: Buffer; differs: boolean }> {
  const { output, message }: Result = await subject.run(text.split('\n').slice(0, -1))
  const lines = Buffer.from((output as string[]).map(line => `${line}\n`).join(''), encoding)
  const actual = Buffer.from(text, encoding).map(byte => table[byte] as number)
  const differs = message !== undefined || !lines.equals(actual)
  return {
    expected: message === undefined ? lines : new Error(message),
    actual: Buffer.from(actual),
    differs,
  }
}

/** Blocks of lines, each line with a line feed: the example itself, and random ones. */
function* blocks({ sample, settings }: Subject, table: ByteTable, encoding: LineEncoding): Generator<string> {
  const next = randomNumbers(settings.seed)
  const changed = [...table.subarray(0, 0x80).entries()].filter(([byte, to]) => byte !== to)
  const own = changed.map(([byte]) => String.fromCharCode(byte))
  const characters = [...CHARACTERS[encoding], ...own, '\n', '\n']
  yield (sample.items as string[]).map(line => `${line}\n`).join('')
  for (let round = 0; round < RANDOM_BLOCKS; round++) {
    const length = Math.floor(next() * MAX_LINE_CHARACTERS)
    yield `${Array.from({ length }, () => characters[Math.floor(next() * characters.length)]).join('')}\n`
  }
}

async function checkBytewise(subject: Subject): Promise<Breach | undefined> {
  const role = subject.stages[0]?.blocks
  if (subject.plan !== 'fused' || subject.stages.length !== 1 || role?.role !== 'map') return undefined
  const { table } = role
  if (table === undefined) return undefined
  for (const encoding of ENCODINGS) {
    const of = (text: string) => compare(subject, table, encoding, text)
    for (const text of blocks(subject, table, encoding)) {
      if (!(await of(text)).differs) continue
      const characters = await shrink(
        [...text.slice(0, -1)],
        async fewer => (await of(`${fewer.join('')}\n`)).differs,
      )
      const smallest = `${characters.join('')}\n`
      const { expected, actual } = await of(smallest)
      const input = Buffer.from(smallest, encoding)
      return { input, expected, actual, test: bytewiseTest(subject.name, encoding, input) }
    }
  }
  return undefined
}

function bytewiseTest(name: string, encoding: LineEncoding, input: Buffer): string {
  const stage = variable(name)
  const decode = `lines({ delimiter: '\\n', encoding: '${encoding}' })`
  const encode = `toLines({ encoding: '${encoding}' })`
  const body = [
    `const served = pipeline().through(${decode}).through(${stage}).through(${encode})`,
    `const chunks = [${show(input)}]`,
    'const fused = await runStage(served, chunks)',
    "const streams = await runStage(served, chunks, { plan: 'streams' })",
    'assert.deepEqual(Buffer.concat(fused), Buffer.concat(streams))',
  ]
  return testCode(
    `${stage} gives the same in blocks and line by line`,
    ['lines', 'pipeline', 'runStage', 'toLines'],
    body.join('\n'),
  )
}

/** The law for stages that are `bytewise`; others obey it in any case. */
export const BYTEWISE_LAWS: readonly Law[] = [
  {
    name: 'bytewise',
    says: "a 'bytewise' stage changes each character of a line on its own",
    check: checkBytewise,
  },
]
