import { randomUUID } from 'node:crypto'
import type { Span } from './json-scan.js'

/**
 * Beginning of a string that stands for a BigInt. JavaScript's own JSON has no other way to let one through before Node 21.
 * No peer can know it: it never leaves the process.
 */
const MARK = `bigint ${randomUUID()} `
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, 'g')

/** Puts a marked string in place of each of these integers of a JSON text. */
export function markBigIntegers(text: string, integers: readonly Span[]): string {
  let marked = ''
  let at = 0
  for (const [from, to] of integers) {
    marked += `${text.slice(at, from)}"${MARK}${text.slice(from, to)}"`
    at = to
  }
  return marked + text.slice(at)
}

/** Parses a JSON text, and gives marked strings as text or as BigInts. */
export function restoreBigIntegers(text: string, as: 'text' | 'bigint'): unknown {
  return JSON.parse(text, (_key, item) => {
    if (typeof item !== 'string' || !item.startsWith(MARK)) return item
    const digits = item.slice(MARK.length)
    return as === 'text' ? digits : BigInt(digits)
  })
}

/** Replacer for `JSON.stringify` that lets a BigInt through as a marked string. */
export function markBigInt(item: unknown): unknown {
  return typeof item === 'bigint' ? MARK + item : item
}

/** Puts the integers in place of the marked strings in a text that `JSON.stringify` made. */
export function unmarkBigInts(text: string): string {
  return text.replace(MARKED, '$1')
}
