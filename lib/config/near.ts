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
  if (word.length >= 3 && name.includes(word)) return 0.4
  return distance(word, name) / Math.max(word.length, name.length, 1)
}

/** `Did you mean 'lines'?`, or nothing where no name is near. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const near = nearest(word, names).map(name => `'${name}'`)
  return near.length === 0 ? '' : `Did you mean ${near.join(' or ')}?`
}
