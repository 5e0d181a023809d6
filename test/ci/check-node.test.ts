import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'

/** Runs the check as a Node of another version would. */
function checked(version: string) {
  const disguise = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`
  const argv = ['--import', `data:text/javascript,${encodeURIComponent(disguise)}`, '.ci/check-node.js']
  const env = { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined }
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

t.test('a Node that is too old is told in one line which one is needed', async t => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.equal(engines.node, '>=20.19')
  for (const version of ['18.20.8', '20.18.3']) {
    t.strictSame(checked(version), {
      status: 1,
      stdout: '',
      stderr: `bywash needs Node 20.19 or later, and this is ${version}: see https://nodejs.org.\n`,
    })
  }
  for (const version of ['20.19.0', '20.20.2', '21.0.0', '26.1.0']) {
    t.strictSame(checked(version), { status: 0, stdout: '', stderr: '' }, version)
  }
})

t.test('it is asked before anything is built, and npm ci asks too', async t => {
  for (const script of ['build', 'build-if-changed']) {
    const [first] = readFileSync(`.ci/${script}.js`, 'utf8').match(/^import .*$/m) ?? []
    t.equal(first, "import './check-node.js'", script)
  }
  t.match(readFileSync('.npmrc', 'utf8'), /^engine-strict=true$/m)
})
