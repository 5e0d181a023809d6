import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const bench = fileURLToPath(new URL('.', import.meta.url))
const built = fileURLToPath(new URL('../.cache/bench/', import.meta.url))

// Compiled in advance: with a TypeScript loader in each process, a server would take three times as long to start.
buildSync({
  absWorkingDir: bench,
  entryPoints: ['load.ts', 'servers/*.ts'],
  outdir: built,
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
})

/** Returns the command that runs a file of bench/. */
export function nodeCommand(file: string, flags: readonly string[] = []): readonly string[] {
  return [process.execPath, '--expose-gc', ...flags, built + file.replace(/ts$/, 'js')]
}
