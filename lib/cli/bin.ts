#!/usr/bin/env node
import { createRequire } from 'node:module'

// The rest is loaded behind this check: an older Node would stop at something that it lacks, with a message that does not say so.
const { engines } = createRequire(import.meta.url)('bywash/package.json')
const needed: string = engines.node.replace('>=', '')
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const [neededMajor = 0, neededMinor = 0] = needed.split('.').map(Number)
if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(
    `bywash needs Node ${needed} or later, and this is ${process.versions.node}: see https://nodejs.org.\n`,
  )
  process.exitCode = 1
} else {
  const { start } = await import('./start.js')
  // A timer that a stage left running would keep the process alive.
  process.exit(await start())
}
