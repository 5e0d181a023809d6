import { isAscii } from 'node:buffer'
import type { BlockDecoder, BlockRole, Bytewise } from '../block-role.js'
import { blame, StageError } from '../errors.js'
import type { PlannedStage } from '../plan.js'
import { type AnyStage, type Controller, stage, type Transformer } from '../stage.js'
import type { Passed, StageCounts } from '../stage-counts.js'
import { countLineFeeds } from './count-line-feeds.js'

type Role<R extends BlockRole['role']> = Extract<BlockRole, { role: R }>

/** What all connections share of a rewritten run. */
interface BlockWork {
  readonly run: readonly PlannedStage[]
  readonly maps: readonly { readonly name: string; readonly map: Bytewise }[]
  /** True where it is checked that each block keeps its lines. */
  readonly checked: boolean
}

const DELIMITER = Buffer.from('\n')

/**
 * Replaces each `decode · map … map · encode` of one encoding by a stage that works on whole blocks of lines. Found
 * by what the stages declare, so that a stage of your own takes part.
 */
export function rewriteBlocks(stages: readonly PlannedStage[]): readonly PlannedStage[] {
  const rewritten: PlannedStage[] = []
  for (let index = 0; index < stages.length; ) {
    const length = blockRun(stages, index)
    const run = stages.slice(index, index + Math.max(length, 1))
    rewritten.push(length === 0 ? (run[0] as PlannedStage) : blockStage(run))
    index += run.length
  }
  return rewritten
}

function roleOf(planned: PlannedStage | undefined): BlockRole | undefined {
  return planned?.stage.blocks
}

/** How many stages from `start` can run on blocks; 0 for none. */
function blockRun(stages: readonly PlannedStage[], start: number): number {
  const decode = roleOf(stages[start])
  if (decode?.role !== 'decode') return 0
  let end = start + 1
  while (roleOf(stages[end])?.role === 'map') end++
  const encode = roleOf(stages[end])
  return encode?.role === 'encode' && encode.encoding === decode.encoding ? end + 1 - start : 0
}

function blockStage(run: readonly PlannedStage[]): PlannedStage {
  const name = run.map(({ name }) => name).join(' | ')
  const { open } = roleOf(run[0]) as Role<'decode'>
  // To compare where lines end costs as much as to make them, so it is for development.
  const checked = ['development', 'test'].includes(process.env.NODE_ENV ?? '')
  const maps = run.slice(1, -1).map(({ name, stage }) => ({ name, map: (stage.blocks as Role<'map'>).map }))
  const work: BlockWork = { run, maps, checked }
  return {
    name,
    accepts: 'bytes',
    emits: 'bytes',
    rewrites: run,
    stage: stage<Buffer, Buffer>({
      name,
      accepts: 'bytes',
      emits: 'bytes',
      open: () => new BlockTransformer(open(), work),
    }) as AnyStage,
  }
}

/** What a link offers to stages of the engine's own. */
export interface TextController extends Controller<Buffer> {
  /** Enqueues bytes that are at hand as text, one character for each byte. */
  readonly enqueueLatin1: (text: string) => void
}

/** Runs on blocks what its stages would do line by line. */
export class BlockTransformer implements Transformer<Buffer, Buffer> {
  readonly #decoder: BlockDecoder
  readonly #work: BlockWork
  #lines = 0

  constructor(decoder: BlockDecoder, work: BlockWork) {
    this.#decoder = decoder
    this.#work = work
  }

  /** What has passed each of the stages, from what has passed all of them. */
  counts(given: Passed, out: Passed): StageCounts[] {
    const lines = { items: this.#lines, bytes: out.bytes - this.#lines }
    const last = this.#work.run.length - 1
    return this.#work.run.map(({ name }, index) => ({
      name,
      in: index === 0 ? given : lines,
      out: index === last ? out : lines,
    }))
  }

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    this.#decoder.push(chunk, block => (controller as TextController).enqueueLatin1(this.#map(block)))
  }

  unfinished(): number {
    return this.#decoder.unfinished?.() ?? 0
  }

  flush(controller: Controller<Buffer>): void {
    const rest = this.#decoder.end()
    if (rest !== undefined)
      (controller as TextController).enqueueLatin1(this.#map(Buffer.concat([rest, DELIMITER])))
  }

  /** As text, since V8 maps and searches a string several times as fast as JavaScript does a Buffer. */
  #map(block: Buffer): string {
    let text = block.toString('latin1')
    this.#lines += countLineFeeds(block)
    const { maps, checked } = this.#work
    const ascii = maps.length > 0 && isAscii(block)
    for (const { name, map } of maps) {
      const before = text
      try {
        text = map(before, ascii)
      } catch (cause) {
        throw blame(name, 'bytewise', cause)
      }
      if (text.length !== before.length || (checked && !hasSameLines(before, text))) {
        throw new StageError(name, "changed the length or the line feeds of a block in its 'bytewise'.")
      }
    }
    return text
  }
}

function hasSameLines(one: string, other: string): boolean {
  for (let from = 0; ; ) {
    const at = one.indexOf('\n', from)
    if (other.indexOf('\n', from) !== at) return false
    if (at === -1) return true
    from = at + 1
  }
}
