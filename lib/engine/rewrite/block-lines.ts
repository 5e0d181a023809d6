import type { BlockDecoder, BlockRole, LineEncoding } from '../../block-role.js'
import { type ByteTable, composed } from '../../byte-table.js'
import type { Connection } from '../../connection.js'
import { StageError } from '../../errors.js'
import { type AnyStage, type Controller, internalStage } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'
import { type LineMap, LoopTransformer, type LoopWork } from './line-loop.js'
import { type ByteMap, byteMapOf, mapBytes } from './map-bytes.js'
import { RewrittenTransformer } from './rewritten.js'

type Role<R extends BlockRole['role']> = Extract<BlockRole, { role: R }>

/** The part of a rewritten run that all connections share. */
interface BlockWork {
  /** The stages that the block transformer replaces: a decoder, bytewise maps, an encoder. */
  readonly run: readonly PlannedStage[]
  readonly encoding: LineEncoding
  readonly maps: readonly NamedMap[]
  /** The tables of all maps as one. */
  readonly byteMap: ByteMap
  /** Whether each block is also mapped line by line, to check that this gives the same. */
  readonly checked: boolean
}

interface NamedMap {
  readonly name: string
  readonly table: ByteTable
  /** A bytewise map gets no connection: its table is made once, before there is one. */
  readonly line: (line: string) => string
}

const DELIMITER = Buffer.from('\n')

/**
 * Replaces each run of a decoder, any number of maps, and an encoder of the same encoding by one stage. Where every map has
 * a table this stage works on whole blocks of lines, and otherwise in a loop over the lines. It goes by the roles that
 * stages declare (`blocks`), so a user's stage takes part.
 */
export function rewriteBlocks(stages: readonly PlannedStage[]): readonly PlannedStage[] {
  const rewritten: PlannedStage[] = []
  for (let index = 0; index < stages.length; ) {
    const length = blockRun(stages, index)
    const run = stages.slice(index, index + Math.max(length, 1))
    rewritten.push(length === 0 ? (run[0] as PlannedStage) : rewrite(run))
    index += run.length
  }
  return rewritten
}

function roleOf(planned: PlannedStage | undefined): BlockRole | undefined {
  return planned?.stage.blocks
}

/** The length of the run that begins at `start`; 0 where none does. */
function blockRun(stages: readonly PlannedStage[], start: number): number {
  const decode = roleOf(stages[start])
  if (decode?.role !== 'decode') return 0
  let end = start + 1
  while (roleOf(stages[end])?.role === 'map') end++
  const encode = roleOf(stages[end])
  return encode?.role === 'encode' && encode.encoding === decode.encoding ? end + 1 - start : 0
}

function rewrite(run: readonly PlannedStage[]): PlannedStage {
  const name = run.map(({ name }) => name).join(' | ')
  const decode = roleOf(run[0]) as Role<'decode'>
  const maps = run.slice(1, -1).map(({ name, stage }) => ({ name, ...(stage.blocks as Role<'map'>) }))
  const isOfBlocks = maps.every(isTable)
  const open = isOfBlocks ? blockOpener(run, decode, maps) : loopOpener(run, decode, maps)
  const runs = isOfBlocks ? 'on whole blocks of lines' : 'in one loop over lines'
  const whole = internalStage<Buffer, Buffer>({
    name,
    accepts: 'bytes',
    emits: 'bytes',
    lazy: true,
    inert: isOfBlocks,
    consumes: !isOfBlocks,
    open,
  })
  return { name, accepts: 'bytes', emits: 'bytes', rewrites: run, runs, stage: whole as AnyStage }
}

function isTable<Map extends Role<'map'>>(map: Map): map is Map & Pick<NamedMap, 'table' | 'line'> {
  return map.table !== undefined
}

function blockOpener(
  run: readonly PlannedStage[],
  { open, encoding }: Role<'decode'>,
  maps: readonly NamedMap[],
) {
  const byteMap = byteMapOf(composed(maps.map(({ table }) => table)))
  // The check makes every line, which is what blocks are there to avoid. So it is for development.
  const checked = ['development', 'test'].includes(process.env.NODE_ENV ?? '')
  const work: BlockWork = { run, encoding, maps, byteMap, checked }
  return () => new BlockTransformer(open(), work)
}

function loopOpener(run: readonly PlannedStage[], decode: Role<'decode'>, maps: readonly LineMap[]) {
  const { open, stripsCr } = decode.raw ?? { open: decode.open, stripsCr: false }
  const work: LoopWork = { run, encoding: decode.encoding, stripsCr, maps }
  return (connection: Connection) => new LoopTransformer(open(), work, connection)
}

/** Does on whole blocks of lines what its stages would do line by line. */
export class BlockTransformer extends RewrittenTransformer {
  readonly #decoder: BlockDecoder
  readonly #work: BlockWork
  #lines = 0
  /** Whether chunks may be changed, since nobody else holds them. */
  inPlace = false

  constructor(decoder: BlockDecoder, work: BlockWork) {
    super()
    this.#decoder = decoder
    this.#work = work
  }

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
    this.#decoder.push(chunk, block => controller.enqueue(this.#map(block, this.inPlace)))
  }

  unfinished(): number {
    return this.#decoder.unfinished?.() ?? 0
  }

  flush(controller: Controller<Buffer>): void {
    const rest = this.#decoder.end()
    if (rest !== undefined) controller.enqueue(this.#map(Buffer.concat([rest, DELIMITER]), true))
  }

  #map(block: Buffer, inPlace: boolean): Buffer {
    const { byteMap, checked } = this.#work
    if (checked) checkLines(block, this.#work)
    const mapped = inPlace || byteMap.rows.length === 0 ? block : Buffer.allocUnsafe(block.length)
    this.#lines += mapBytes(block, byteMap, mapped)
    return mapped
  }
}

/** Throws if a map does not change each character of a line as its table says. */
function checkLines(block: Buffer, { maps, encoding }: BlockWork): void {
  let lines = block.toString(encoding).split('\n').slice(0, -1)
  for (const { name, line, table } of maps) {
    const next = lines.map(text => line(text))
    for (const [index, before] of lines.entries()) {
      const bytes = Buffer.from(Buffer.from(before, encoding).map(byte => table[byte] as number))
      if (bytes.equals(Buffer.from(next[index] as string, encoding))) continue
      throw new StageError(name, "is 'bytewise', but did not change each character of a line on its own.")
    }
    lines = next
  }
}
