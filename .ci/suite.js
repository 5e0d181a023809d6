// Runs the suite: compiles it once, runs its files side by side, and checks the coverage of lib/.
// Usage: node .ci/suite.js [--all] [--jobs N] [--no-coverage] [--slow SECONDS] [FILE or FOLDER…]
//   --all            runs property tests, kills and soaks at full length
//   --jobs N         how many files run at once (default: twice the number of cores)
//   --no-coverage    checks no coverage; nor does a run of only some files
//   --slow SECONDS   runs only the files that took longer than that the last time, each alone, and fails when one takes
//                    longer still, unless LONG_FILES has it
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { COMPILED, compile } from './compile-suite.js'
import { checkCoverage } from './suite-coverage.js'

/** The longest files, for the first run: they begin first, or its end would wait for them alone. */
const FIRST_FILES = [
  'test/soak/soak.test.ts',
  'test/config/memory-bound.test.ts',
  'test/package/using.test.ts',
  'test/package/compiler-messages.test.ts',
  'test/testing/check-stage.test.ts',
  'test/stages/laws.test.ts',
  'test/cli/commands/serve-file.test.ts',
  'test/faults/11-endless-line.test.ts',
  'test/listener/workers/workers.test.ts',
]

/** Files that may take longer than the others, and why. */
const LONG_FILES = {
  'test/soak/soak.test.ts': 'it waits for deadlines of another process, in real time',
  'test/faults/37-exit-behind-the-last-byte.test.ts': 'it starts a process for each way to exit',
  'test/config/memory-bound.test.ts': 'it looks for the worst input of each stage',
  'test/faults/36-descriptors.test.ts': 'it starts a process with a limit of descriptors for each case',
}

/** The time after which a file has failed. */
const FILE_TIMEOUT_MS = 180_000

const DURATIONS = '.cache/suite-durations.json'
const REPORTS = '.cache/suite-coverage'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(2 * availableParallelism()) },
    'no-coverage': { type: 'boolean', default: false },
    slow: { type: 'string' },
  },
})
const isWhole = positionals.length === 0

/** Every test file in some files and folders. */
function findTests(paths) {
  return paths.flatMap(path => {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.test.ts'))
      .map(name => join(path, name).replaceAll('\\', '/'))
  })
}

/** How long files took the last time, in seconds. */
function lastDurations() {
  try {
    return JSON.parse(readFileSync(DURATIONS, 'utf8'))
  } catch {
    return {}
  }
}

/** Runs one file, and gives what it printed with what came of it. */
async function run(file, reports) {
  const begun = performance.now()
  const child = spawn(
    process.execPath,
    [`--import=./${COMPILED}/test/gate/leak-gate.js`, `${COMPILED}/${file.replace(/\.ts$/, '.js')}`],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        TAP_TIMEOUT: String(FILE_TIMEOUT_MS / 1000),
        BYWASH_TEST_RUNS: values.all ? 'all' : 'some',
        ...(reports === undefined ? {} : { NODE_V8_COVERAGE: reports }),
      },
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  }
  const terminate = setTimeout(() => child.kill('SIGTERM'), FILE_TIMEOUT_MS + 5_000)
  const kill = setTimeout(() => child.kill('SIGKILL'), FILE_TIMEOUT_MS + 15_000)
  const ended = await new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
  clearTimeout(terminate)
  clearTimeout(kill)
  const seconds = (performance.now() - begun) / 1000
  const [, totals = ''] = /^# \{ (.*) \}$/m.exec(output) ?? []
  const counts = Object.fromEntries(
    [...totals.matchAll(/(\w+): (\d+)/g)].map(([, name, n]) => [name, Number(n)]),
  )
  return { file, seconds, output, ended, counts, passed: ended === 0 && counts.total > 0 }
}

/** Prints what a file printed, but for what passed. */
function printFailure({ file, ended, output }) {
  const lines = output.split('\n').filter(line => !/^\s*(ok \d|1\.\.\d|TAP version)/.test(line))
  console.log(`\n==== ${file} FAILED (${ended})\n${lines.join('\n').trimEnd()}`)
  console.log(`==== to run it alone from its source: npx tap ${file}\n`)
}

/** Runs files, some at a time, in their order. */
async function runAll(files, jobs, reports) {
  const waiting = [...files]
  const results = []
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await run(file, reports)
      results.push(result)
      if (!result.passed) printFailure(result)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return results
}

/** Runs the files that took longer than a limit the last time, each alone; false where one takes longer still. */
async function checkSlow(limit) {
  const slow = Object.entries(lastDurations()).filter(([, seconds]) => seconds > limit)
  let isGood = true
  for (const [file] of slow) {
    const { seconds } = await run(file)
    const reason = LONG_FILES[file]
    if (seconds > limit && reason === undefined) isGood = false
    console.log(`${seconds.toFixed(1).padStart(6)} s  ${file}${reason === undefined ? '' : `: ${reason}`}`)
  }
  return isGood
}

const begun = performance.now()
await compile()
if (values.slow !== undefined) process.exit((await checkSlow(Number(values.slow))) ? 0 : 1)
rmSync(REPORTS, { recursive: true, force: true })
const covers = isWhole && !values['no-coverage']
const all = findTests(isWhole ? ['test'] : positionals)
const last = lastDurations()
/** The longest begin first: by what they took the last time, or by the list. */
const expected = file => last[file] ?? (FIRST_FILES.includes(file) ? FILE_TIMEOUT_MS : 0)
const files = all.sort((one, other) => expected(other) - expected(one))
const results = await runAll(files, Number(values.jobs), covers ? REPORTS : undefined)
const ran = performance.now()
const failed = results.filter(({ passed }) => !passed)

mkdirSync('.cache', { recursive: true })
const durations = Object.fromEntries(results.map(({ file, seconds }) => [file, Number(seconds.toFixed(1))]))
writeFileSync(DURATIONS, JSON.stringify(isWhole ? durations : { ...lastDurations(), ...durations }))
const slowest = [...results].sort((one, other) => other.seconds - one.seconds)
console.log('\nThe ten files that took longest, side by side with others:')
for (const { file, seconds } of slowest.slice(0, 10))
  console.log(`${seconds.toFixed(1).padStart(6)} s  ${file}`)

let isGood = failed.length === 0
if (covers && failed.length === 0 && !(await checkCoverage(REPORTS))) isGood = false

const sum = name => results.reduce((total, { counts }) => total + (counts[name] ?? 0), 0)
console.log(
  `\n${results.length} files in ${((ran - begun) / 1000).toFixed(0)} s: ` +
    `${sum('pass')} assertions passed, ${sum('fail')} failed, ${sum('skip')} tests skipped` +
    (failed.length === 0 ? '' : `\nFAILED: ${failed.map(({ file }) => file).join(' ')}`),
)
process.exitCode = isGood ? 0 : 1
