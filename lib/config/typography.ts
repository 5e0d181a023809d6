/** Characters that word processors and web pages put in place of those of a keyboard, and what to write instead. */
const SUBSTITUTES: readonly (readonly [RegExp, (shown: string) => string])[] = [
  [
    /[\u2018-\u201f\u2039\u203a\u00ab\u00bb\u2032\u2033]/u,
    shown => `${shown} is a typographic quote: write ' or ".`,
  ],
  [/[\u2010-\u2015\u2212]/u, shown => `${shown} is a typographic dash: write - or --.`],
  [/\ufeff/u, shown => `${shown} is a byte order mark: save the text without one.`],
  [/[\u00a0\u2000-\u200d\u202f\u205f\u2060\u3000]/u, shown => `${shown} is no plain space: write one.`],
]

/** A sentence about the first such character of a text that was refused; empty where it has none. */
export function substituteIn(text: string): string {
  for (const [pattern, sentence] of SUBSTITUTES) {
    const [character] = pattern.exec(text) ?? []
    if (character !== undefined) return sentence(shownAs(character))
  }
  return ''
}

/** The character, or its code where it cannot be seen. */
function shownAs(character: string): string {
  const code = (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')
  return /[\p{Z}\p{C}]/u.test(character) ? `U+${code}` : character
}
