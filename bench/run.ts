import { writeFileSync } from 'node:fs'
import { bench } from './bench.js'
import { drawChart } from './chart.js'
import { stopChildren } from './children.js'
import { HELP, type Options, parseOptions } from './options.js'
import { formatTable } from './table.js'

/** Time limit of the whole benchmark; a full run takes about two minutes. */
const MAX_RUN_MS = 300_000

function progress(text: string): void {
  console.error(`${(performance.now() / 1e3).toFixed(1).padStart(5)} s  ${text}`)
}

function readOptions(): Options | undefined {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`)
    return undefined
  }
}

async function main(): Promise<number> {
  const options = readOptions()
  if (options === undefined) return 2
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  try {
    const results = await bench(options, progress)
    process.stdout.write(`${options.json ? JSON.stringify(results, undefined, 2) : formatTable(results)}\n`)
    if (options.chart) writeFileSync(new URL('../docs/bench.svg', import.meta.url), drawChart(results))
    return 0
  } catch (error) {
    console.error(`\nFAILED: ${(error as Error).message}`)
    return 1
  } finally {
    stopChildren()
  }
}

function stop(why: string, code: number): void {
  stopChildren()
  console.error(why)
  process.exit(code)
}

process.once('SIGINT', () => stop('interrupted', 130))
process.once('SIGTERM', () => stop('terminated', 143))
setTimeout(() => stop(`FAILED: not finished within ${MAX_RUN_MS / 1e3} s`, 1), MAX_RUN_MS).unref()
process.exitCode = await main()
