import fc from 'fast-check'

/**
 * Any character, but no half of one: the `unit` of strings. fast-check's own, 'binary', first makes a table of all of them,
 * which takes a second in each process.
 */
export const ANY_CHARACTER = fc
  .oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map(code => String.fromCodePoint(code))
