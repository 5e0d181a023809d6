import { readFile } from 'node:fs/promises'

/** Finds a module as `import` does; a bundle in CommonJS has no such function. */
type Resolve = ((name: string) => string) | null

/** Reads a file of the package `uplot`, which draws the curves of the page. Empty where it cannot be found: the page then has none. */
export async function readUplot(name: string, resolve: Resolve = import.meta.resolve): Promise<Buffer> {
  try {
    return await readFile(new URL((resolve as NonNullable<Resolve>)(`uplot/dist/${name}`)))
  } catch {
    return Buffer.alloc(0)
  }
}
