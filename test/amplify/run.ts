// npm run amplify -- [--minutes 10] [--seed 1] [--stages gzip,lines] [--update]: searches for the inputs that cost most time and
// memory. Prints a table; with --update puts it into docs/reliability.md. Exits with 1 where a limit is broken.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { catalogue } from '../../lib/stages/catalogue.js'
import { search } from './search.js'
import { tableOf, updateDocument } from './table.js'
import { broken } from './verdict.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    stages: { type: 'string' },
    update: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.minutes) * 60
const seed = Number(values.seed)
const names = values.stages?.split(',') ?? [...catalogue.keys()]
const unknown = names.filter(name => !catalogue.has(name))
if (!(seconds > 0 && Number.isInteger(seed)) || unknown.length > 0) {
  console.error('Usage: npm run amplify -- [--minutes 10] [--seed 1] [--stages gzip,lines] [--update]')
  if (unknown.length > 0) console.error(`There is no stage ${unknown.join(', ')}.`)
  process.exit(2)
}

const factories = new Map([...catalogue].filter(([name]) => names.includes(name)))
const folder = mkdtempSync(join(tmpdir(), 'bywash-amplify-'))
const began = performance.now()
const passed = () => (performance.now() - began) / 1e3
let count = 0
let next = 10
const worst = await search(factories, {
  seed,
  folder,
  isOver: () => passed() > seconds,
  onSubject: ({ title }) => {
    count++
    if (passed() < next) return
    console.log(`${passed().toFixed(0).padStart(5)} s  ${count} pipelines  ${title}`)
    next = passed() + 10
  },
})
rmSync(folder, { recursive: true })
const table = tableOf(worst)
console.log(`\n${table}\n\nseed ${seed}: ${count} pipelines in ${passed().toFixed(0)} s`)
if (values.update) updateDocument(table)
const failures = broken(worst)
for (const failure of failures) console.log(failure)
process.exitCode = failures.some(line => line.startsWith('FAILED')) ? 1 : 0
