#!/usr/bin/env node
import { main } from './main.js'

const exitCode = await main(process.argv.slice(2), process)
// Exit explicitly, after stderr is flushed: a timer that a stage left running would keep the process alive.
process.stderr.write('', () => process.exit(exitCode))
