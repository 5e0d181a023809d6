import { writeFileSync } from 'node:fs'
import { bench } from './bench.js'
import { drawChart } from './chart.js'
import { stopChildren } from './children.js'
import { growth } from './growth.js'
import { drawGrowth } from './growth-chart.js'
import { formatGrowth } from './growth-table.js'
import { HELP, type Options, parseOptions } from './options.js'
import { formatTable } from './table.js'

/** Time limit of the whole benchmark; a full run takes about two minutes, and one with --growth about four. */
const MAX_RUN_MS = 900_000

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
    await (options.growth ? runGrowth(options) : runWorkloads(options))
    return 0
  } catch (error) {
    console.error(`\nFAILED: ${(error as Error).message}`)
    return 1
  } finally {
    stopChildren()
  }
}

async function runWorkloads(options: Options): Promise<void> {
  const results = await bench(options, progress)
  print(options.json ? toJson(results) : formatTable(results))
  if (options.chart) writeChart('bench.svg', drawChart(results))
}

async function runGrowth(options: Options): Promise<void> {
  const results = await growth(options.quick, progress)
  print(options.json ? toJson(results) : formatGrowth(results))
  if (options.chart) writeChart('growth.svg', drawGrowth(results))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function toJson(results: object): string {
  return JSON.stringify(results, undefined, 2)
}

function writeChart(name: string, svg: string): void {
  writeFileSync(new URL(`../docs/${name}`, import.meta.url), svg)
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
