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
import { compile } from './compile-suite.js'
import { COMPILED } from './compiled.js'
import { checkCoverage } from './suite-coverage.js'

/**
 * Files with a process of their own, as those of LONG_FILES have: behind the groups, they keep all cores at work until the end. Some
 * measure memory: to collect what they leave takes twice as long where others have left something too.
 */
const ALONE_FILES = [
  'test/amplify/amplify.test.ts',
  'test/soak/soak.test.ts',
  'test/config/memory-held.test.ts',
  'test/package/using.test.ts',
  'test/package/compiler-messages.test.ts',
  'test/testing/check-stage.test.ts',
  'test/stages/laws.test.ts',
  'test/stages/functions/checked.test.ts',
  'test/cli/commands/serve-file.test.ts',
  'test/faults/11-endless-line.test.ts',
  'test/listener/workers/workers.test.ts',
  'test/listener/workers/threads/threads.test.ts',
]

/** Files that may take longer than the others, and why. */
const LONG_FILES = {
  'test/soak/soak.test.ts': 'it waits for deadlines of another process, in real time',
  'test/faults/37-exit-behind-the-last-byte.test.ts': 'it starts a process for each way to exit',
  'test/config/memory-held.test.ts': 'it looks for the worst input of each stage',
  'test/listener/workers/workers.test.ts': 'it kills workers, and waits for those that take their place',
  'test/listener/workers/threads/threads.test.ts':
    'it starts a server with threads for each case, and kills them',
  'test/package/using.test.ts': 'it installs, bundles and runs the package as its users do',
  'test/stages/laws.test.ts': 'it checks every stage against every law',
  'test/faults/35-one-worker-cannot-start.test.ts': 'a worker fails five times, with a delay behind each',
  'test/faults/36-descriptors.test.ts': 'it starts a process with a limit of descriptors for each case',
  'test/cli/completion/completion.test.ts': 'it starts bash, zsh and fish for each word',
}

/** Folders and files of which the coverage of lib/ says nothing new: they run what is built, or what other files test line by line. */
const WITHOUT_COVERAGE = [
  'test/amplify/',
  'test/cli/terminal/terminal.test.ts',
  'test/config/memory-held.test.ts',
  'test/config/three-faces.test.ts',
  'test/docs/',
  'test/engine/backpressure.test.ts',
  'test/faults/',
  'test/fuzz/',
  'test/listener/workers/threads/threads.test.ts',
  'test/listener/workers/workers.test.ts',
  'test/package/',
  'test/presets/presets.test.ts',
  'test/protocols/',
  'test/real-clients.test.ts',
  'test/soak/',
  'test/stages/functions/checked.test.ts',
  'test/stages/laws.test.ts',
  'test/status-server/page.test.ts',
  'test/status-server/prometheus.test.ts',
  'test/testing/broken-stages.test.ts',
  'test/testing/sound-stages.test.ts',
  'test/transports/browser.test.ts',
  'test/transports/lent-output.test.ts',
]

/** Files in those folders that alone run some line. */
const WITH_COVERAGE = [
  'test/faults/42-callbacks-that-reject.test.ts',
  'test/faults/45-bus-goes-away.test.ts',
  'test/faults/47-websocket.test.ts',
  'test/package/types.test.ts',
]

/** How many short files share a process: to start one, and to load and compile lib/ in it, takes half a second of processor time. */
const GROUP_SIZE = 24

/**
 * V8 of Node 20 optimizes what has run seven times as long as usual: to optimize what a test runs once took an eighth of the time of
 * the suite. Node 26 has no such flag.
 */
const V8_FLAGS = process.version.startsWith('v20.') ? ['--interrupt-budget=500000'] : []

/** The time after which a file has failed. */
const FILE_TIMEOUT_S = 180

const DURATIONS = '.cache/suite-durations.json'
/** What the last run of the whole suite has skipped, a line for each test; `.ci/run` prints it at its end. */
const SKIPPED = '.cache/suite-skipped'
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

/** Whether the coverage of a file counts. */
function covers(file) {
  return WITH_COVERAGE.includes(file) || !WITHOUT_COVERAGE.some(path => file.startsWith(path))
}

/** Whether a file has a process of its own. */
function isAlone(file) {
  return ALONE_FILES.includes(file) || LONG_FILES[file] !== undefined
}

/** Groups files that share a process: to start one takes longer than most files do. */
function groupFiles(files) {
  const groups = files.filter(isAlone).map(file => [file])
  for (const isCovered of [true, false]) {
    const short = files.filter(file => !isAlone(file) && covers(file) === isCovered).sort()
    for (let at = 0; at < short.length; at += GROUP_SIZE) groups.push(short.slice(at, at + GROUP_SIZE))
  }
  return groups
}

/** How long files took the last time, in seconds. */
function lastDurations() {
  try {
    return JSON.parse(readFileSync(DURATIONS, 'utf8'))
  } catch {
    return {}
  }
}

/** Runs a group of files in one process, and gives what it printed with what came of it. */
async function run(files, reports) {
  const isCovered = reports !== undefined && covers(files[0])
  const child = spawn(
    process.execPath,
    [
      ...V8_FLAGS,
      `--import=./${COMPILED}/test/gate/leak-gate.js`,
      '.ci/run-tests.js',
      String(FILE_TIMEOUT_S),
      ...files,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // Each start of Node reads these certificates, which takes longer than the rest of it. No test needs them.
        NODE_EXTRA_CA_CERTS: undefined,
        BYWASH_TEST_RUNS: values.all ? 'all' : 'some',
        ...(isCovered ? { NODE_V8_COVERAGE: reports } : {}),
      },
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  }
  // A process that does not come to see to its own timeout.
  const kill = setTimeout(() => child.kill('SIGKILL'), (FILE_TIMEOUT_S * files.length + 15) * 1000)
  const ended = await new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
  clearTimeout(kill)
  const durations = [...output.matchAll(/^# (\S+): ([\d.]+) s$/gm)].map(([, file, s]) => [file, Number(s)])
  const [, totals = ''] = /^# \{ (.*) \}$/m.exec(output) ?? []
  const counts = Object.fromEntries(
    [...totals.matchAll(/(\w+): (\d+)/g)].map(([, name, n]) => [name, Number(n)]),
  )
  const skipped = [...output.matchAll(/^ *ok \d+ - (.*) # SKIP(.*)$/gm)].map(
    ([, name, reason]) => `${name}:${reason || ' it says no reason'}`,
  )
  const isWhole = files.every(file => output.includes(` - ${file} # time=`))
  const passed = ended === 0 && isWhole && counts.total > files.length
  return { files, durations, skipped, output, ended, counts, passed }
}

/** Prints what a file printed, but for what passed. */
function printFailure({ files, ended, output }) {
  const lines = output.split('\n').filter(line => !/^\s*(ok \d|1\.\.\d|TAP version)/.test(line))
  console.log(`\n==== FAILED (${ended}): ${files.join(' ')}\n${lines.join('\n').trimEnd()}`)
  console.log(`==== to run one alone from its source: npx tap ${files[0]}\n`)
}

/** Runs groups of files, some at a time, in their order. */
async function runAll(groups, jobs, reports) {
  const waiting = [...groups]
  const results = []
  const work = async () => {
    for (let files = waiting.shift(); files !== undefined; files = waiting.shift()) {
      const result = await run(files, reports)
      results.push(result)
      if (!result.passed) printFailure(result)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return results
}

/**
 * Runs the files that took longer than a limit the last time, each alone; false where one takes longer still, three times: other
 * programs have the processors too.
 */
async function checkSlow(limit) {
  const slow = Object.entries(lastDurations()).filter(([, seconds]) => seconds > limit)
  let isGood = true
  for (const [file] of slow) {
    const reason = LONG_FILES[file]
    let seconds = Number.POSITIVE_INFINITY
    for (let attempt = 1; seconds > limit && attempt <= (reason === undefined ? 3 : 1); attempt++) {
      const { durations } = await run([file])
      seconds = Math.min(seconds, durations[0]?.[1] ?? Number.POSITIVE_INFINITY)
    }
    if (seconds > limit && reason === undefined) isGood = false
    console.log(`${seconds.toFixed(1).padStart(6)} s  ${file}${reason === undefined ? '' : `: ${reason}`}`)
  }
  return isGood
}

const begun = performance.now()
await compile()
if (values.slow !== undefined) process.exit((await checkSlow(Number(values.slow))) ? 0 : 1)
rmSync(REPORTS, { recursive: true, force: true })
const checksCoverage = isWhole && !values['no-coverage']
const all = findTests(isWhole ? ['test'] : positionals)
const last = lastDurations()
/** The longest begin first: by what they took the last time, or in a first run by what most take. */
const expected = file => last[file] ?? (isAlone(file) ? 10 : 2)
const expectedOf = group => group.reduce((total, file) => total + expected(file), 0)
const groups = groupFiles(all).sort((one, other) => expectedOf(other) - expectedOf(one))
const results = await runAll(groups, Number(values.jobs), checksCoverage ? REPORTS : undefined)
const ran = performance.now()
const failed = results.filter(({ passed }) => !passed)

mkdirSync('.cache', { recursive: true })
const durations = Object.fromEntries(results.flatMap(result => result.durations))
writeFileSync(DURATIONS, JSON.stringify(isWhole ? durations : { ...lastDurations(), ...durations }))
const slowest = Object.entries(durations).sort(([, one], [, other]) => other - one)
console.log('\nThe ten files that took longest, side by side with others:')
for (const [file, seconds] of slowest.slice(0, 10))
  console.log(`${seconds.toFixed(1).padStart(6)} s  ${file}`)

let isGood = failed.length === 0
if (checksCoverage && failed.length === 0 && !(await checkCoverage(REPORTS))) isGood = false

const skipped = results.flatMap(result => result.skipped)
if (isWhole) writeFileSync(SKIPPED, skipped.map(line => `${line}\n`).join(''))

const sum = name => results.reduce((total, { counts }) => total + (counts[name] ?? 0), 0)
console.log(
  `\n${all.length} files in ${((ran - begun) / 1000).toFixed(0)} s: ` +
    `${sum('pass') - all.length} assertions passed, ${sum('fail')} failed, ${skipped.length} tests skipped` +
    skipped.map(line => `\n  ${line}`).join('') +
    (failed.length === 0 ? '' : `\nFAILED: ${failed.flatMap(({ files }) => files).join(' ')}`),
)
process.exitCode = isGood ? 0 : 1
