// Runs compiled test files one after the other in this process, and prints behind each how long it took.
// Usage: node .ci/run-tests.js TIMEOUT FILE…
//   TIMEOUT  the time in seconds after which a file has failed
import { resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { configureGlobal } from 'fast-check'
import { COMPILED } from './compiled.js'

const importFrom = path => import(pathToFileURL(resolve(COMPILED, path)).href)

const [timeout, ...files] = process.argv.splice(2)
// In `npm test` properties are tried with the same values each time, so that neither a failure nor the coverage hangs on chance;
// `npm run test:all` tries others each time.
if (process.env.BYWASH_TEST_RUNS === 'some') configureGlobal({ seed: 1 })
// tap names folders of tests by the script that runs.
process.argv[1] = resolve(COMPILED, files[0])
const { default: t } = await importFrom('tap.js')

/**
 * Loads a file in a test of the file's name. The tests in it stand in the queue behind that, and behind those the next file: tap
 * ends the run where its queue is empty.
 */
function load([file, ...later], onBegin) {
  t.test(file, async () => {
    onBegin()
    t.setTimeout(Number(timeout) * 1000)
    const begun = performance.now()
    const onEnd = () => console.log(`# ${file}: ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    await importFrom(file.replace(/\.ts$/, '.js'))
    if (later.length > 0) load(later, onEnd)
    else process.once('exit', onEnd)
  })
}
load(files, () => {})
