import type { ByteTable } from '../../byte-table.js'

/**
 * The WebAssembly module, whose source is `map-bytes.wat`. It maps bytes by a table and counts line feeds with vector
 * instructions, which JavaScript does not have: 64 KiB of text take about 8 µs to upper-case, with the copies in and out,
 * and 21 µs as strings.
 *
 * It exports `memory` (2 pages) and `map(length, end)`, which changes the first `length` bytes in place, by the rows that
 * stand from `ROWS_AT` to `end`, and returns how many line feeds they had.
 */
const MODULE_HEX = [
  // header; types: (i32, i32) -> i32; functions: one of that type; memory: 2 pages; exports: "memory", "map"
  '0061736d01000000 0107 01 60027f7f017f 0302 0100 0503 010002',
  '0710 02 06 6d656d6f7279 0200 03 6d6170 0000',
  // code: parameters $length (0), $end (1); i32 $at (2), $total (3), $row (4); v128 $input (5), $output (6)
  '0a9d01 01 9a01 02 037f 027b',
  // store($length, 0)
  '2000 fd0c 00000000000000000000000000000000 fd0b0400',
  // block, loop: leave the block when $at >= $length
  '0240 0340 2002 2000 4f 0d01',
  // $total += popcnt(bitmask(eq($input = load($at), 16 times 10)))
  '2003 2002 fd000400 2205 fd0c 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a fd23 fd64 69 6a 2103',
  // $output = $input, $row = 65552; block, loop: leave the block when $row == $end
  '2005 2106 41908004 2104 0240 0340 2004 2001 46 0d01',
  // $output ^= swizzle(load($row + 16), $input ^ load($row)), $row += 32, next row
  '2006 2004 fd000410 2005 2004 fd000400 fd51 fd0e fd51 2106 2004 4120 6a 2104 0c00 0b 0b',
  // store($at, $output), $at += 16, next vector; result: $total
  '2002 2006 fd0b0400 2002 4110 6a 2102 0c00 0b 0b 2003 0b',
]

/** The most bytes that one call maps: the first page of the memory. */
const PAGE_BYTES = 65_536
/** The offset of the rows in the memory: behind the page, and behind the room for a last vector. */
const ROWS_AT = PAGE_BYTES + 16

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
  return Buffer.from(MODULE_HEX.join('').replaceAll(' ', ''), 'hex')
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
