import type { BlockDecoder, BlockRole } from '../block-role.js'
import { blame } from '../errors.js'
import type { PlannedStage } from '../plan.js'
import { type AnyStage, type Controller, stage, type Transformer } from '../stage.js'
import type { Passed, StageCounts } from '../stage-counts.js'

type Role<R extends BlockRole['role']> = Extract<BlockRole, { role: R }>
type Map = Role<'map'> & { readonly name: string }

const LF = 0x0a
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
  const decode = roleOf(run[0]) as Role<'decode'>
  const maps = run.slice(1, -1).map(({ name, stage }) => ({ name, ...(stage.blocks as Role<'map'>) }))
  return {
    name,
    accepts: 'bytes',
    emits: 'bytes',
    rewrites: run,
    stage: stage<Buffer, Buffer>({
      name,
      accepts: 'bytes',
      emits: 'bytes',
      open: () => new BlockTransformer(decode.open(), maps, run),
    }) as AnyStage,
  }
}

/** Runs on blocks what its stages would do line by line. */
export class BlockTransformer implements Transformer<Buffer, Buffer> {
  readonly #decoder: BlockDecoder
  readonly #maps: readonly Map[]
  readonly #run: readonly PlannedStage[]
  #lines = 0

  constructor(decoder: BlockDecoder, maps: readonly Map[], run: readonly PlannedStage[]) {
    this.#decoder = decoder
    this.#maps = maps
    this.#run = run
  }

  /** What has passed each of the stages, from what has passed all of them. */
  counts(given: Passed, out: Passed): StageCounts[] {
    const lines = { items: this.#lines, bytes: out.bytes - this.#lines }
    const last = this.#run.length - 1
    return this.#run.map(({ name }, index) => ({
      name,
      in: index === 0 ? given : lines,
      out: index === last ? out : lines,
    }))
  }

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    const blocks: Buffer[] = []
    try {
      this.#decoder.push(chunk, block => blocks.push(block))
    } finally {
      // A decoder that throws has handed on what was complete before.
      if (blocks.length > 0) this.#map(blocks, controller)
    }
  }

  flush(controller: Controller<Buffer>): void {
    const rest = this.#decoder.end()
    if (rest !== undefined) this.#map([rest, DELIMITER], controller)
  }

  /** Stages change a copy: the chunk belongs to whoever wrote it. */
  #map(blocks: readonly Buffer[], controller: Controller<Buffer>): void {
    const copy = join(blocks)
    for (let at = copy.indexOf(LF); at !== -1; at = copy.indexOf(LF, at + 1)) this.#lines++
    for (const { name, map } of this.#maps) {
      try {
        map(copy)
      } catch (cause) {
        throw blame(name, 'bytewise', cause)
      }
    }
    controller.enqueue(copy)
  }
}

/** Buffer.concat, without the checks that cost a small chunk more than the copy. */
function join(blocks: readonly Buffer[]): Buffer {
  let length = 0
  for (const block of blocks) length += block.length
  const copy = Buffer.allocUnsafe(length)
  let at = 0
  for (const block of blocks) {
    copy.set(block, at)
    at += block.length
  }
  return copy
}
