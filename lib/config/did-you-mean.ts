/**
 * Finds up to three names that resemble a misspelt word, the most similar first.
 *
 * @param margin - How much more the others may differ than the first, of at most 1.
 */
export function nearest(word: string, names: Iterable<string>, margin = 0.5): readonly string[] {
  const similar = [...new Set(names)]
    .map(name => ({ name, difference: differenceOf(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ difference }) => difference < 0.5)
    .sort((a, b) => a.difference - b.difference || (a.name < b.name ? -1 : 1))
  return similar
    .filter(({ difference }) => difference - (similar[0]?.difference as number) < margin)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** How different a name is, from 0 (equal) to 1; a word that is part of the name counts as similar. */
function differenceOf(word: string, name: string): number {
  const length = Math.max(word.length, name.length, 1)
  // Not compared letter by letter where the lengths alone differ too much: a word may be as long as a text.
  const share = Math.abs(word.length - name.length) * 2 >= length ? 1 : distance(word, name) / length
  return word.length >= 3 && name.includes(word) ? Math.min(share, 0.4) : share
}

/**
 * The number of letters to insert, remove, replace or swap with their neighbour that makes one word of another (the
 * optimal string alignment distance).
 */
function distance(one: string, other: string): number {
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let line = 1; line <= one.length; line++) {
    const next = [line]
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[line - 1] === other[column - 1]
      const isSwapped = one[line - 1] === other[column - 2] && one[line - 2] === other[column - 1]
      next[column] = Math.min(
        at(row, column) + 1,
        at(next, column - 1) + 1,
        at(row, column - 1) + (isSame ? 0 : 1),
        isSwapped ? at(before, column - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    ;[before, row] = [row, next]
  }
  return at(row, other.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] as number
}

/** The sentence `Did you mean 'lines' or 'toLines'?`; empty where no name is similar. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const near = nearest(word, names).map(name => `'${name}'`)
  return near.length === 0 ? '' : `Did you mean ${alternatives(near)}?`
}

/** Joins words as in `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const others = words.slice(0, -1).join(', ')
  return others === '' ? words.join() : `${others} or ${words.at(-1)}`
}
