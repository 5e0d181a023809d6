/** Removes the quotes and backslashes of a word, as a shell does; the closing quote may not have been typed yet. */
export function shellWord(typed: string): string {
  return typed.replace(
    /'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.)/gs,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? (escaped as string),
  )
}
