import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const bench = fileURLToPath(new URL('.', import.meta.url))
const built = fileURLToPath(new URL('../.cache/bench/', import.meta.url))

// Compiled here once: with a loader in each process a server would take three times as long to start.
buildSync({
  absWorkingDir: bench,
  entryPoints: ['load.ts', 'servers/*.ts'],
  outdir: built,
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
})

/** The command that runs one of the bench's own files. */
export function nodeCommand(file: string, flags: readonly string[] = []): readonly string[] {
  return [process.execPath, '--expose-gc', ...flags, built + file.replace(/ts$/, 'js')]
}
