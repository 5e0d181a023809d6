// Compiles the suite and what it tests, file by file, to .cache/suite/: a loader in each of its processes would take longer
// than most tests.
import { readdirSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

/** The folder of the compiled files, which has the layout of the project. */
export const COMPILED = '.cache/suite'

/** Compiles every file of lib/ and test/, and what tests use of .ci/. */
export async function compile() {
  rmSync(COMPILED, { recursive: true, force: true })
  await build({
    entryPoints: ['lib', 'test', '.ci'].flatMap(folder =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter(name => name.endsWith('.ts'))
        .map(name => `${folder}/${name}`),
    ),
    outbase: '.',
    outdir: COMPILED,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: 'linked',
    sourcesContent: false,
  })
}
