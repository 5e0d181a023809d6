import { distance } from 'fastest-levenshtein'

/** Finds up to three names that resemble a misspelt word, the most similar first. */
export function nearest(word: string, names: Iterable<string>): readonly string[] {
  return [...new Set(names)]
    .map(name => ({ name, difference: differenceOf(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ difference }) => difference < 0.5)
    .sort((a, b) => a.difference - b.difference || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}

/** How different a name is, from 0 (equal) to 1; a word that is part of the name counts as similar. */
function differenceOf(word: string, name: string): number {
  const share = distance(word, name) / Math.max(word.length, name.length, 1)
  return word.length >= 3 && name.includes(word) ? Math.min(share, 0.4) : share
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
