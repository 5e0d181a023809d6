import type { Span } from './json-scan.js'

/** The beginning of a string that stands for a BigInt, and what finds such strings in a text. */
interface Mark {
  readonly text: string
  readonly pattern: RegExp
}

let known: Mark | undefined

/**
 * JavaScript's own JSON has no other way to let a BigInt through before Node 21. No peer can know the mark: it never leaves the
 * process. It is made when it is first needed, since every program would load node:crypto for it.
 */
function mark(): string {
  if (known === undefined) {
    const text = `bigint ${crypto.randomUUID()} `
    known = { text, pattern: new RegExp(`"${text}(-?\\d+)"`, 'g') }
  }
  return known.text
}

/** Puts a marked string in place of each of these integers of a JSON text. */
export function markBigIntegers(text: string, integers: readonly Span[]): string {
  let marked = ''
  let at = 0
  for (const [from, to] of integers) {
    marked += `${text.slice(at, from)}"${mark()}${text.slice(from, to)}"`
    at = to
  }
  return marked + text.slice(at)
}

/** Parses a JSON text, and gives marked strings as text or as BigInts. */
export function restoreBigIntegers(text: string, as: 'text' | 'bigint'): unknown {
  return JSON.parse(text, (_key, item) => {
    if (typeof item !== 'string' || !item.startsWith(mark())) return item
    const digits = item.slice(mark().length)
    return as === 'text' ? digits : BigInt(digits)
  })
}

/** Replacer for `JSON.stringify` that lets a BigInt through as a marked string. */
export function markBigInt(item: unknown): unknown {
  return typeof item === 'bigint' ? mark() + item : item
}

/** Puts the integers in place of the marked strings in a text that `JSON.stringify` made. */
export function unmarkBigInts(text: string): string {
  return known === undefined ? text : text.replace(known.pattern, '$1')
}
