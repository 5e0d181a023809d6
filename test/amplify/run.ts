// npm run amplify -- [--minutes 10] [--seed 1] [--stages gzip,lines] [--factor 1] [--update]: searches for the inputs that cost
// most time and memory. Prints a table; with --update puts it into docs/reliability.md. Exits with 1 where a limit is broken by
// more than the factor. It runs bundled: what tsx loads names each function at run time, which takes longer than most stages.
// In less than 10 minutes each pipeline gets only a part of the inputs.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { localStages } from '../fuzz/local-stages.js'
import { search } from './search.js'
import { tableOf, updateDocument } from './table.js'
import { broken } from './verdict.js'

/** From this time on each pipeline gets all inputs. */
const ALL_INPUTS_SECONDS = 600

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    stages: { type: 'string' },
    factor: { type: 'string', default: '1' },
    update: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.minutes) * 60
const seed = Number(values.seed)
const factor = Number(values.factor)
const names = values.stages?.split(',') ?? [...localStages.keys()]
const unknown = names.filter(name => !localStages.has(name))
if (!(seconds > 0 && Number.isInteger(seed) && factor >= 1) || unknown.length > 0) {
  console.error(
    'Usage: npm run amplify -- [--minutes 10] [--seed 1] [--stages gzip,lines] [--factor 1] [--update]',
  )
  if (unknown.length > 0) console.error(`There is no stage ${unknown.join(', ')}.`)
  process.exit(2)
}

const factories = new Map([...localStages].filter(([name]) => names.includes(name)))
const folder = mkdtempSync(join(tmpdir(), 'bywash-amplify-'))
const began = performance.now()
const passed = () => (performance.now() - began) / 1e3
let count = 0
let next = 10
const worst = await search(factories, {
  seed,
  part: Math.min(1, seconds / ALL_INPUTS_SECONDS),
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
const failures = broken(worst, factor)
for (const failure of failures) console.log(failure)
process.exitCode = failures.some(line => line.startsWith('FAILED')) ? 1 : 0
