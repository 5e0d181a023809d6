#!/usr/bin/env node
import { flushed } from './log/flushed.js'
import { main } from './main.js'

const exitCode = await main(process.argv.slice(2), process)
await flushed(process.stderr)
// A timer that a stage left running would keep the process alive.
process.exit(exitCode)
