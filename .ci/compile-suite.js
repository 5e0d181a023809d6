// Compiles the suite and what it tests, file by file, to .cache/suite/: a loader in each of its processes would take longer
// than most tests.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { build } from 'esbuild'
import { COMPILED } from './compiled.js'

/** tap as one file: its 200 files take half of the time of a short test. */
const TAP = `${COMPILED}/tap.js`

/**
 * Leaves out how tap finds the test that an uncaught error belongs to: a hook for each promise and each handle of the process,
 * which took up to a third of a test of the listener. Such an error ends its file, as it ends a program.
 */
const WITHOUT_HOOKS = {
  name: 'without-hooks',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^async-hook-domain$/ }, ({ path }) => ({ path, namespace: 'without-hooks' }))
    onLoad({ filter: /./, namespace: 'without-hooks' }, () => ({
      contents: 'export class Domain { destroy() {} }',
    }))
  },
}

const OPTIONS = { format: 'esm', platform: 'node', target: 'node20.19' }

/** Compiles every file of lib/, test/ and examples/, and what tests use of .ci/. */
export async function compile() {
  rmSync(COMPILED, { recursive: true, force: true })
  await build({
    ...OPTIONS,
    entryPoints: ['node_modules/tap/dist/esm/index.js'],
    outfile: TAP,
    bundle: true,
    plugins: [WITHOUT_HOOKS],
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)",
    },
    logLevel: 'error',
  })
  const { outputFiles } = await build({
    ...OPTIONS,
    entryPoints: ['lib', 'test', '.ci', 'examples'].flatMap(folder =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter(name => name.endsWith('.ts'))
        .map(name => `${folder}/${name}`),
    ),
    outbase: '.',
    outdir: COMPILED,
    // Without a link to them, which Node would follow at each load: a sixteenth of the time of a covered file.
    sourcemap: 'external',
    sourcesContent: false,
    write: false,
  })
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text.replace(/ from "tap";/, ` from "${relative(dirname(path), resolve(TAP))}";`))
  }
}
