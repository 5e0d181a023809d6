/** The value of a word as it is typed at a shell, without its quotes; the last of them may still be missing. */
export function shellWord(typed: string): string {
  return typed.replace(
    /'([^']*)'?|"((?:[^"\\]|\\.)*)"?|\\(.)/gs,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? (escaped as string),
  )
}
