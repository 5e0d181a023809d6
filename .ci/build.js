// Bundles lib/ as dist/; tsc puts the declarations beside it. A start takes time for each file that it reads.
import './check-node.js'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { build } from 'esbuild'

const BIN = 'lib/cli/bin.ts'
/** The files that the command needs to print its version. */
const COMMAND = [BIN, 'lib/cli/start.ts']

/** @type {import('esbuild').BuildOptions} */
const options = {
  entryPoints: ['lib/index.ts', 'lib/stages/index.ts', 'lib/presets/index.ts', 'lib/testing/index.ts', BIN],
  outbase: 'lib',
  outdir: 'dist',
  write: false,
  metafile: true,
  bundle: true,
  packages: 'external',
  // What several entries use is there once, so that an error is an instance of the same class in all of them.
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Neither minified nor with source maps: the code names its files, and Node reads maps only when it is asked to.
  // And without `keepNames`, which would define a property of each closure that a connection makes.
}

/** All that is loaded by itself: the entries, and what is imported late. */
async function findRoots() {
  const { metafile } = await build(options)
  return Object.values(metafile.outputs).flatMap(({ entryPoint }) => entryPoint ?? [])
}

/**
 * esbuild cuts what is shared wherever those who share it differ, into ever more files. So each root gets an import of
 * the whole library, which then is one file; only the command is to print its version without it.
 */
function wholeLibrary(roots) {
  const library = JSON.stringify(resolve('lib/index.ts'))
  return {
    name: 'whole library',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const name = relative('', path).replaceAll('\\', '/')
        if (!roots.includes(name) || COMMAND.includes(name)) return undefined
        return { contents: `${readFileSync(path, 'utf8')}\nimport ${library}\n`, loader: 'ts' }
      }),
  }
}

/** `sideEffects` of package.json would take the imports out again, so it is not heeded. */
const bundle = async () =>
  build({ ...options, plugins: [wholeLibrary(await findRoots())], ignoreAnnotations: true })

// A build that fails, and esbuild then says why, leaves the last one as it is.
const { outputFiles } = await bundle().catch(() => process.exit(1))
rmSync('dist', { recursive: true, force: true })
for (const { path, contents } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, contents)
}
chmodSync('dist/cli/bin.js', 0o755)
