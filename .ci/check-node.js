// Ends a script with one line where Node is older than package.json asks for: a build would fail in many lines that do not
// say so. `npm ci` says it because of `engine-strict` in .npmrc.
import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const needed = engines.node.replace('>=', '')
const [major, minor] = process.versions.node.split('.').map(Number)
const [neededMajor, neededMinor] = needed.split('.').map(Number)

if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  console.error(
    `bywash needs Node ${needed} or later, and this is ${process.versions.node}: see https://nodejs.org.`,
  )
  process.exit(1)
}
