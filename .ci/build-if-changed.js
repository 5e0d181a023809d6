// Builds what is not the build of its sources as they are: `npm start` and `npm test` of a built clone begin at once.
// Usage: node .ci/build-if-changed.js [--tests]
import './check-node.js'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Each build: its command, what it depends on, the file that it writes last, and where the hash of its sources is kept. */
const LIBRARY = {
  command: ['npm', ['run', 'build']],
  sources: ['lib', '.ci', 'package.json', 'package-lock.json', 'tsconfig.json'],
  output: 'dist/bywash.schema.json',
  hash: '.cache/built',
}
/** tap with the plugins that the tests use, and no others: it is loaded in half the time. */
const TAP = {
  command: ['npx', ['tap', 'build']],
  sources: ['.taprc', 'package-lock.json'],
  output: 'node_modules/@tapjs/test/package.json',
  hash: 'node_modules/.tap-built',
}

function hashOf(sources) {
  const hash = createHash('sha256')
  for (const source of sources) {
    const files = existsSync(`${source}/.`)
      ? readdirSync(source, { recursive: true, encoding: 'utf8' }).map(name => `${source}/${name}`)
      : [source]
    for (const file of files.filter(file => !existsSync(`${file}/.`)).sort()) {
      hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
    }
  }
  return hash.digest('hex')
}

function buildIfChanged({ command: [name, parameters], sources, output, hash }) {
  const current = hashOf(sources)
  if (existsSync(hash) && existsSync(output) && readFileSync(hash, 'utf8') === current) return
  rmSync(hash, { force: true })
  const { status } = spawnSync(name, parameters, { stdio: 'inherit', shell: process.platform === 'win32' })
  if (status !== 0) process.exit(status ?? 1)
  mkdirSync(dirname(hash), { recursive: true })
  writeFileSync(hash, current)
}

buildIfChanged(LIBRARY)
if (process.argv.includes('--tests')) buildIfChanged(TAP)
