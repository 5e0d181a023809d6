#!/usr/bin/env node
import { main } from './main.js'

const exitCode = await main(process.argv.slice(2), process)
// What a stage has left running, such as a timer, must not hold up a command that is done.
process.stderr.write('', () => process.exit(exitCode))
