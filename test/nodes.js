// Runs the suite, or some files and folders of it, on other versions of Node, with the binaries that npm has.
// Usage: node test/nodes.js [version…] [file or folder…]
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const given = process.argv.slice(2)
const isVersion = word => /^\d+$/.test(word)
const versions = given.some(isVersion) ? given.filter(isVersion) : ['20', '22', '24', '26']
const paths = given.filter(word => !isVersion(word))
const binary = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

const run = (command, args, env = process.env) =>
  spawnSync(command, args, { cwd: root, env, stdio: 'inherit', shell: process.platform === 'win32' })
    .status === 0

const failed = versions.filter(version => {
  const folder = join(root, '.cache', `node-${version}`)
  mkdirSync(folder, { recursive: true })
  if (!run('npm', ['install', '--no-save', '--prefix', folder, `${binary}@${version}`])) return true
  const path = join(folder, 'node_modules', binary, 'bin') + delimiter + process.env.PATH
  return !run('npm', ['test', '--', '--no-coverage', ...paths], { ...process.env, PATH: path })
})
console.log(
  failed.length === 0 ? `passed on Node ${versions.join(', ')}` : `FAILED on Node ${failed.join(', ')}`,
)
process.exitCode = failed.length === 0 ? 0 : 1
