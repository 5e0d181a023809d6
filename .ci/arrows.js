// Checks how the folders of lib/ depend on each other: no import circle of any sort (types and dynamic imports count), and
// no import against the direction that ARCHITECTURE.md gives. Prints what is wrong, and then exits with 1.
// Usage: node .ci/arrows.js [folder]
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What each room may import besides itself. A file of lib/ that is not named here is of the room `contract`. */
const MAY_IMPORT = {
  options: ['errors.ts'],
  net: ['clock.ts', 'errors.ts'],
  status: ['contract', 'options'],
  contract: ['net/socket-reader.ts', 'options', 'status/source.ts'],
  engine: ['contract', 'net', 'options', 'status'],
  'pipeline.ts': ['contract', 'engine', 'options', 'status'],
  stages: ['contract', 'net', 'options', 'status'],
  listener: ['contract', 'engine', 'net', 'options', 'pipeline.ts', 'status'],
  'status-server': ['contract', 'listener', 'net', 'options', 'status'],
  'index.ts': [
    'contract',
    'engine',
    'listener',
    'options',
    'pipeline.ts',
    'stages',
    'status',
    'status-server',
  ],
  presets: ['contract', 'options', 'pipeline.ts', 'stages'],
  testing: ['contract', 'engine', 'options', 'pipeline.ts'],
  config: [
    'contract',
    'engine',
    'listener',
    'options',
    'pipeline.ts',
    'presets',
    'stages',
    'status',
    'status-server',
  ],
  cli: [
    'config',
    'contract',
    'engine',
    'listener',
    'options',
    'pipeline.ts',
    'presets',
    'status',
    'status-server',
    'testing',
  ],
}

const IMPORT = /(?:\bfrom\s+|\bimport\(\s*|^import\s+)'(\.[^']+)'/gm
const COMMENT_LINE = /^\s*(\*|\/\/|\/\*).*$/gm

/** Every file of a folder, with the files that it imports. */
function importsOf(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  )
  const portable = path => path.replaceAll('\\', '/')
  return new Map(
    files.sort().map(file => {
      const source = readFileSync(join(folder, file), 'utf8').replace(COMMENT_LINE, '')
      const targets = [...source.matchAll(IMPORT)].map(([, target]) =>
        portable(normalize(join(dirname(file), target))).replace(/\.js$/, '.ts'),
      )
      return [portable(file), targets]
    }),
  )
}

/** The first circle of imports: its files in order, the first one again at the end. */
function findCircle(imports) {
  const done = new Set()
  const path = []
  const visit = file => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const target of imports.get(file) ?? []) {
      const circle = visit(target)
      if (circle !== undefined) return circle
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of imports.keys()) {
    const circle = visit(file)
    if (circle !== undefined) return circle
  }
  return undefined
}

function roomOf(file) {
  const room = file.split('/')[0]
  return Object.hasOwn(MAY_IMPORT, room) ? room : file.includes('/') ? room : 'contract'
}

/** Whether one file may import another. */
function isAllowed(file, target) {
  const [from, to] = [roomOf(file), roomOf(target)]
  return from === to || (MAY_IMPORT[from] ?? []).some(room => room === to || room === target)
}

const folder = process.argv[2] ?? fileURLToPath(new URL('../lib', import.meta.url))
const imports = importsOf(folder)
const circle = findCircle(imports)
const wrong = [...imports].flatMap(([file, targets]) =>
  targets.filter(target => !isAllowed(file, target)).map(target => `${file} may not import ${target}`),
)
if (circle !== undefined) wrong.push(`import circle: ${circle.join(' → ')}`)
for (const line of wrong) console.error(line)
process.exitCode = wrong.length === 0 ? 0 : 1
