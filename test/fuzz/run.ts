// npm run fuzz -- --minutes 10 [--seed 1]: random lists of stages, inputs and clients, on both plans. Prints each difference as
// a test, with the command that repeats it: --seed N --path PATH. With --stages lines,grep only those are put into lists;
// --ignore PATTERN leaves out the differences whose lines match, such as those that are known.
import { parseArgs } from 'node:util'
import { differences } from './differences.js'
import { type Finding, hunt } from './hunt.js'
import { ALL_STAGES } from './waiting-stages.js'
import { writtenTest } from './written-test.js'

/** Cases with one seed, so that the path to each stays short. */
const RUNS_PER_SEED = 200

/** The most of a test that is printed; where one could not be reduced, its input may be long. */
const MAX_SHOWN_CHARACTERS = 4000

/** The time in which a difference is still reduced when the minutes are over. */
const REDUCING_SECONDS = 60

/**
 * How often a difference is tried again. One that is not seen again is printed, and does not fail the run: it may have been the
 * chance of a machine that does other work, such as a client that was late.
 */
const REPEATS = 3

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    path: { type: 'string' },
    stages: { type: 'string' },
    ignore: { type: 'string' },
  },
})
const seconds = Number(values.minutes) * 60
const seed = Number(values.seed)
const names = values.stages?.split(',') ?? [...ALL_STAGES.keys()]
const unknown = names.filter(name => !ALL_STAGES.has(name))
if (!(seconds > 0 && Number.isInteger(seed)) || unknown.length > 0) {
  console.error('Usage: npm run fuzz -- [--minutes 10] [--seed 1] [--path PATH] [--stages lines,toLines]')
  if (unknown.length > 0) console.error(`There is no stage ${unknown.join(', ')}.`)
  process.exit(2)
}

const ignore = values.ignore === undefined ? undefined : new RegExp(values.ignore)
const factories = new Map([...ALL_STAGES].filter(([name]) => names.includes(name)))
const began = performance.now()
const passed = () => (performance.now() - began) / 1e3
const sorts = new Map<string, number>()
/** The sorts that were seen more than once. */
const repeated = new Set<string>()
let tries = 0

/** The sort of a difference: what differs, without the values. */
function sortOf({ found, tried }: Finding): string {
  const what = found.map(line => line.split(': ').slice(0, 2).join(': '))
  return `${tried.stages.map(([name]) => name).join(' | ')} ${[...new Set(what)].join('; ')}`
}

/** Prints a difference; false where it is not seen again. */
async function print(finding: Finding): Promise<boolean> {
  let again = 0
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const found = await differences(finding.tried, factories)
    if (found.some(line => !ignore?.test(line))) again++
  }
  const only = values.stages === undefined ? '' : ` --stages ${values.stages}`
  const code = writtenTest(finding.tried, finding.found, factories)
  console.log(`\n${code.length > MAX_SHOWN_CHARACTERS ? `${code.slice(0, MAX_SHOWN_CHARACTERS)}…` : code}`)
  console.log(`// seen again ${again} of ${REPEATS} times; to repeat it:`)
  console.log(`// npm run fuzz -- --seed ${finding.seed} --path ${finding.path}${only}`)
  return again > 0
}

let next = 10
for (let batch = seed; passed() < seconds; batch++) {
  const finding = await hunt(factories, {
    seed: batch,
    path: values.path,
    ignore,
    runs: RUNS_PER_SEED,
    isOver: isReducing => passed() >= seconds + (isReducing ? REDUCING_SECONDS : 0),
    onTry: () => tries++,
  })
  if (finding !== undefined) {
    const sort = sortOf(finding)
    const count = (sorts.get(sort) ?? 0) + 1
    sorts.set(sort, count)
    if (count > 1 || (await print(finding))) repeated.add(sort)
  }
  if (values.path !== undefined) break
  if (passed() > next) {
    console.log(`${passed().toFixed(0).padStart(5)} s  ${tries} cases  ${sorts.size} differences`)
    next += 10
  }
}
console.log(`\nseed ${seed}: ${tries} cases in ${passed().toFixed(0)} s, ${sorts.size} differences`)
for (const [sort, count] of sorts) {
  console.log(`${repeated.has(sort) ? 'FAILED ' : 'by chance?'} ${sort} (${count} times)`)
}
process.exitCode = repeated.size > 0 ? 1 : 0
