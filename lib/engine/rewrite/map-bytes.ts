import type { ByteTable } from '../../byte-table.js'

/**
 * Maps bytes by a table, and counts line feeds, with vector instructions, which JavaScript has only through
 * WebAssembly: 64 KiB of text take about 8 µs to upper-case, with the copies in and out, and 21 as strings.
 *
 * The module exports `memory` (2 pages) and `map(n, end)`: it looks at the first n bytes, 16 at a time, changes them in
 * place by the rows that stand from `ROWS` to `end`, and returns how many line feeds they had. A row is 16 times the
 * upper half of a byte, and then for each lower half the bits that change: a swizzle gives 0 beyond 15, so only bytes
 * with that upper half change.
 */
const MODULE = [
  // header, then types: (i32, i32) -> i32; functions: one of it; memory: 2 pages; exports: "memory", "map"
  '0061736d01000000 0107 01 60027f7f017f 0302 0100 0503 010002',
  '0710 02 06 6d656d6f7279 0200 03 6d6170 0000',
  // code: $n (0), $end (1), i32 locals $at (2), $total (3), $row (4), vectors $v (5), $result (6)
  '0a9d01 01 9a01 02 037f 027b',
  // store(n, 0): the last vector must not see what an earlier call has left
  '2000 fd0c 00000000000000000000000000000000 fd0b0400',
  // block, loop: leave the block when $at >= $n
  '0240 0340 2002 2000 4f 0d01',
  // $total += popcnt(bitmask(eq($v = load($at), sixteen times 10)))
  '2003 2002 fd000400 2205 fd0c 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a fd23 fd64 69 6a 2103',
  // $result = $v, $row = ROWS; block, loop: leave the block when $row == $end
  '2005 2106 41908004 2104 0240 0340 2004 2001 46 0d01',
  // $result ^= swizzle(load($row + 16), $v ^ load($row)), $row += 32, again
  '2006 2004 fd000410 2005 2004 fd000400 fd51 fd0e fd51 2106 2004 4120 6a 2104 0c00 0b 0b',
  // store($at, $result), $at += 16, again; result: $total
  '2002 2006 fd0b0400 2002 4110 6a 2102 0c00 0b 0b 2003 0b',
]

/** One page of bytes at a time, room for the last vector behind it, and then the rows. */
const PAGE = 65_536
const ROWS = PAGE + 16

/** Up to this length the way into the module takes longer than a loop, all the more when its code is not in the cache. */
const SHORT = 80
const LINE_FEED = 0x0a

// Neither the language's nor Node's types have it, only those of the DOM.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Mapper {
  readonly memory: Buffer
  readonly map: (length: number, end: number) => number
}

let mapper: Mapper | undefined
/** The rows that are in the memory now. */
let loaded: Uint8Array | undefined

function load(): Mapper {
  const module = new WebAssembly.Module(Buffer.from(MODULE.join('').replaceAll(' ', ''), 'hex'))
  const { memory, map } = new WebAssembly.Instance(module).exports as {
    memory: { readonly buffer: ArrayBuffer }
    map: Mapper['map']
  }
  return { memory: Buffer.from(memory.buffer), map }
}

/** What becomes of each byte. */
export interface ByteMap {
  readonly table: ByteTable
  /** The same as the module takes it: only the rows in which a byte changes, two for upper case. */
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

function mapShort(bytes: Buffer, table: ByteTable, to: Buffer): number {
  let total = 0
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number
    if (byte === LINE_FEED) total++
    to[index] = table[byte] as number
  }
  return total
}

/** Writes the mapped bytes to `to`, which is as long and may be the same, and returns how many line feeds there are. */
export function mapBytes(bytes: Buffer, { table, rows }: ByteMap, to: Buffer): number {
  if (bytes.length <= SHORT) return mapShort(bytes, table, to)
  mapper ??= load()
  const { memory, map } = mapper
  if (loaded !== rows) memory.set(rows, ROWS)
  loaded = rows
  let total = 0
  for (let from = 0; from < bytes.length; from += PAGE) {
    const piece = bytes.length <= PAGE ? bytes : bytes.subarray(from, from + PAGE)
    memory.set(piece)
    total += map(piece.length, ROWS + rows.length)
    if (rows.length > 0) memory.copy(to, from, 0, piece.length)
  }
  return total
}
