import type { ByteTable } from '../../byte-table.js'

/**
 * The WebAssembly module, whose source is `map-bytes.wat`. It maps bytes by a table and counts line feeds with vector
 * instructions, which JavaScript does not have: 64 KiB of text take about 7 µs to upper-case, with the copies in and out,
 * and 21 µs as strings.
 *
 * It exports `memory` (2 pages) and `map(length, end)`, which changes the first `length` bytes in place, by the rows that
 * stand from `ROWS_AT` to `end`, and returns how many line feeds they had.
 */
const MODULE_HEX = [
  '0061736d0100000001070160027f7f017f030201000503010002071002066d656d6f72790200036d617000000a8b0301',
  '880302027f0c7b2000fd0c00000000000000000000000000000000fd0b04002000fd0c00000000000000000000000000',
  '000000fd0b04102000fd0c00000000000000000000000000000000fd0b04202000fd0c00000000000000000000000000',
  '000000fd0b0430fd0c0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a210e02400340200220004f0d012002fd00040022082104',
  '2002fd000410220921052002fd000420220a21062002fd000430220b2107200f2004200efd232005200efd23fd6e2006',
  '200efd232007200efd23fd6efd6efd7cfd7efdae01210f41c0800421030240034020032001460d012003fd000400210c',
  '2003fd000410210d2008200d2004200cfd51fd0efd5121082009200d2005200cfd51fd0efd512109200a200d2006200c',
  'fd51fd0efd51210a200b200d2007200cfd51fd0efd51210b200341206a21030c000b0b20022008fd0b040020022009fd',
  '0b04102002200afd0b04202002200bfd0b0430200241c0006a21020c000b0b4100200ffd1b00200ffd1b016a200ffd1b',
  '02200ffd1b036a6a6b0b',
]

/** The most bytes that one call maps: the first page of the memory. */
const PAGE_BYTES = 65_536
/** The offset of the rows in the memory: behind the page, and behind the room for the last four vectors. */
const ROWS_AT = PAGE_BYTES + 64

/** Up to this length a loop in JavaScript is faster than a call of the module, whose code may not be in the cache. */
const MAX_LOOP_BYTES = 80
const LINE_FEED = 0x0a

// Only the types of the DOM declare WebAssembly; neither those of the language nor those of Node do.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Mapper {
  readonly memory: Buffer
  readonly map: (length: number, end: number) => number
}

let mapper: Mapper | undefined
/** The rows that the memory holds now. */
let loadedRows: Uint8Array | undefined

/** The module in binary form. */
export function moduleBytes(): Buffer {
  return Buffer.from(MODULE_HEX.join(''), 'hex')
}

function load(): Mapper {
  const module = new WebAssembly.Module(moduleBytes())
  const { memory, map } = new WebAssembly.Instance(module).exports as {
    memory: { readonly buffer: ArrayBuffer }
    map: Mapper['map']
  }
  return { memory: Buffer.from(memory.buffer), map }
}

/** A table in the two forms that mapping needs. */
export interface ByteMap {
  readonly table: ByteTable
  /** The table as the module takes it: a row of 32 bytes for each upper half of which a byte changes. */
  readonly rows: Uint8Array
}

export function byteMapOf(table: ByteTable): ByteMap {
  const rows: number[] = []
  for (let upper = 0; upper < 256; upper += 16) {
    const changes = Array.from({ length: 16 }, (_, lower) => upper ^ lower ^ (table[upper ^ lower] as number))
    if (changes.some(change => change !== 0)) rows.push(...Array(16).fill(upper), ...changes)
  }
  return { table, rows: Uint8Array.from(rows) }
}

function mapInLoop(bytes: Buffer, table: ByteTable, to: Buffer): number {
  let total = 0
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number
    if (byte === LINE_FEED) total++
    to[index] = table[byte] as number
  }
  return total
}

/** Writes the mapped bytes to `to`, a buffer of the same length or `bytes` itself, and returns how many line feeds `bytes` had. */
export function mapBytes(bytes: Buffer, { table, rows }: ByteMap, to: Buffer): number {
  if (bytes.length <= MAX_LOOP_BYTES) return mapInLoop(bytes, table, to)
  mapper ??= load()
  const { memory, map } = mapper
  if (loadedRows !== rows) memory.set(rows, ROWS_AT)
  loadedRows = rows
  let total = 0
  for (let from = 0; from < bytes.length; from += PAGE_BYTES) {
    const piece = bytes.length <= PAGE_BYTES ? bytes : bytes.subarray(from, from + PAGE_BYTES)
    memory.set(piece)
    total += map(piece.length, ROWS_AT + rows.length)
    if (rows.length > 0) memory.copy(to, from, 0, piece.length)
  }
  return total
}
