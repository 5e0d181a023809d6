import { memoryOf } from '../define-stage.js'
import type { StageMemory } from '../definition.js'
import { HIGH_WATER_MARK, PIECE_BYTES } from '../engine/flow/stream-marks.js'
import type { PlanMode } from '../engine/planned-stage.js'
import type { Kind } from '../kind.js'
import type { Pipeline } from '../pipeline.js'

/** The most bytes that a socket hands over in one read. */
const MAX_READ_BYTES = 65_536

/** The high-water mark of a socket, each way: 64 KiB since Node 22, and 16 KiB in Node 20. */
const SOCKET_MARK_BYTES = 65_536

/**
 * The bytes in a socket. A paused one reads on until its mark is passed, so just below the mark one read more is added; and
 * output is taken until the mark is passed.
 */
const SOCKET_BYTES = SOCKET_MARK_BYTES + MAX_READ_BYTES + SOCKET_MARK_BYTES

/** The memory of an item in the buffer of a stream, beside its bytes: the Buffer or string itself, and its place. */
const ITEM_BYTES = 160

/**
 * The memory that an item takes for each of its bytes. A string has two for a character, where one of them is not of latin1;
 * each bracket of `[[[]]]` takes 28 on V8's heap.
 */
const MEMORY_RATIO: Record<Kind, number> = { bytes: 1, line: 2, frame: 1, value: 28 }

/** The most bytes that one connection holds while its client reads nothing. */
export interface MemoryBound {
  /** All of the following. */
  readonly bytes: number
  /** The bytes in the socket: those that Node has read ahead, and those that it has taken before it is full. */
  readonly socket: number
  /** The output that the stages make of one read, or behind a stream of what comes from there at once. */
  readonly output: number
  /** The stages that keep bytes from one read to the next, with the most that each keeps. */
  readonly holders: readonly Share[]
  /** The parts that run as streams, with the most that waits on both sides of each. */
  readonly streams: readonly Share[]
  /** The stages that do not say how much they keep and add. They are counted as if they changed nothing. */
  readonly unknown: readonly string[]
}

interface Share {
  readonly stage: string
  readonly bytes: number
}

/** The most that one read brings, or one write to a stream. */
interface Volume {
  readonly bytes: number
  readonly items: number
  /** The bytes of the longest item. */
  readonly longest: number
  /** The memory of the longest item. */
  readonly memory: number
  /** The bytes of the chunk that it comes from, all of which a view of it keeps. */
  readonly chunk: number
}

/** A stage in its place, where its kinds are known. */
interface PlacedStage {
  readonly name: string
  readonly accepts: Kind
  readonly emits: Kind
  readonly memory: StageMemory
}

/** A segment of the plan. */
interface Part {
  readonly type: 'fused' | 'stream'
  readonly stages: readonly PlacedStage[]
}

/** Adds up what one connection can hold while its client reads nothing. */
export function memoryBound(pipeline: Pipeline<Buffer, Buffer>, plan: PlanMode): MemoryBound {
  const memories = pipeline.stages.map(memoryOf)
  const { direct, segments } = pipeline.explain({ plan })
  let index = 0
  const parts = segments.map(({ type, stages }) => ({
    type,
    stages: stages.map(
      ({ name, accepts, emits }): PlacedStage => ({ name, accepts, emits, memory: memories[index++] ?? {} }),
    ),
  }))
  const streams: Share[] = []
  let volume = chunkOf(MAX_READ_BYTES)
  for (const part of parts) {
    if (direct) {
      volume = part.stages.reduce(behindStage, volume)
    } else {
      const [given, waiting] = behindStream(volume, part)
      volume = given
      streams.push({ stage: part.stages.map(({ name }) => name).join(' | '), bytes: waiting })
    }
  }
  const holders = parts
    .flatMap(({ stages }) => stages)
    .map(({ name, memory: { frame = 0, keeps = 0 } }) => ({ stage: name, bytes: frame + keeps }))
    .filter(({ bytes }) => bytes > 0)
  const output = Math.ceil(volume.bytes)
  return {
    bytes: [...holders, ...streams].reduce((sum, { bytes }) => sum + bytes, SOCKET_BYTES + output),
    socket: SOCKET_BYTES,
    output,
    holders,
    streams,
    unknown: pipeline.stages.flatMap(({ name }, index) => (memories[index] === undefined ? [name] : [])),
  }
}

function chunkOf(bytes: number): Volume {
  return { bytes, items: 1, longest: bytes, memory: bytes, chunk: bytes }
}

/** The most that comes out of a stage when so much goes in. */
function behindStage(volume: Volume, { accepts, emits, memory: stage }: PlacedStage): Volume {
  const { perByte = 1, perItem = 0, perRead = 0, frame = 0, itemsPerByte } = stage
  const isDecoder = accepts === 'bytes' && emits !== 'bytes'
  // The frame that was unfinished comes out too.
  const bytes = (volume.bytes + frame) * perByte + volume.items * perItem + perRead
  const isCut = isDecoder || itemsPerByte !== undefined
  const items = isCut ? volume.bytes * (itemsPerByte ?? 1) + 1 : volume.items
  if (emits === 'bytes') return { ...chunkOf(bytes), items }
  const ratio = MEMORY_RATIO[emits]
  const { longest, memory, chunk } = volume
  if (isDecoder && frame > 0) return { bytes, items, longest: frame * perByte, memory: frame * ratio, chunk }
  return {
    bytes,
    items,
    longest: longest * perByte + perItem,
    memory: ((memory * perByte) / MEMORY_RATIO[accepts] + perItem) * ratio,
    chunk,
  }
}

/**
 * What a part that runs as a stream gives at once when it is given so much, and the memory of what waits on both its sides: up
 * to its mark in front of it, and behind it below the mark, and on top of that all that it makes at once. A chunk waits as a
 * whole in front of a decoder, which is given it in pieces.
 */
function behindStream(given: Volume, { type, stages }: Part): readonly [Volume, waiting: number] {
  const [first, last] = [stages[0] as PlacedStage, stages.at(-1) as PlacedStage]
  const isDecoder = first.accepts === 'bytes' && last.emits !== 'bytes'
  const piece = isDecoder ? Math.min(PIECE_BYTES, given.longest) : given.longest
  const made = stages.reduce(behindStage, { ...given, bytes: piece, items: 1 })
  const { chunk, waiting } = last.memory
  const before = (waiting ?? HIGH_WATER_MARK[first.accepts]) * itemMemory(first.accepts, given)
  // A stream with chunks of its own stops when it is full, and has said what it keeps.
  if (chunk !== undefined) return [chunkOf(chunk), before]
  const below = ((waiting ?? HIGH_WATER_MARK[last.emits]) - 1) * itemMemory(last.emits, made)
  // The bytes of a turn leave fused stages as one chunk.
  const items = type === 'fused' && last.emits === 'bytes' ? 1 : made.items
  const others = (made.bytes - made.longest) * MEMORY_RATIO[last.emits]
  const behind = below + made.memory + others + items * ITEM_BYTES
  return [last.emits === 'bytes' ? chunkOf(made.bytes) : made, Math.ceil(before + behind)]
}

/** The memory of the longest item, with its place in a buffer. A frame may be a view of the chunk that it came in. */
function itemMemory(kind: Kind, { memory, chunk }: Volume): number {
  return (kind === 'frame' ? Math.max(memory, chunk) : memory) + ITEM_BYTES
}
