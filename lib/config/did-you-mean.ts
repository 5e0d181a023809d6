import { distance } from 'fastest-levenshtein'

/** Up to three names that somebody may have meant, the nearest first. */
export function nearest(word: string, names: Iterable<string>): readonly string[] {
  return [...new Set(names)]
    .map(name => ({ name, away: away(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ away }) => away < 0.5)
    .sort((a, b) => a.away - b.away || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}

/** The share of a name that is other than the word; a word that is part of a name is near it. */
function away(word: string, name: string): number {
  const share = distance(word, name) / Math.max(word.length, name.length, 1)
  return word.length >= 3 && name.includes(word) ? Math.min(share, 0.4) : share
}

/** `Did you mean 'lines' or 'toLines'?`, or nothing where no name is near. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const near = nearest(word, names).map(name => `'${name}'`)
  return near.length === 0 ? '' : `Did you mean ${alternatives(near)}?`
}

/** `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  const others = words.slice(0, -1).join(', ')
  return others === '' ? words.join() : `${others} or ${words.at(-1)}`
}
