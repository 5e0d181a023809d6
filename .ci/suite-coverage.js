// Coverage of lib/, from what V8 wrote for each process of the suite.
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Report } from 'c8'
import { COMPILED } from './compiled.js'

/** Prints what of lib/ the reports of a folder leave uncovered; true where that is nothing. */
export async function checkCoverage(folder) {
  reduceReports(folder)
  linkSourceMaps()
  const options = {
    tempDirectory: folder,
    reportsDirectory: `${folder}-report`,
    excludeNodeModules: true,
    allowExternal: false,
  }
  const summary = (
    await new Report({ ...options, reporter: [] }).getCoverageMapFromAllCoverageFiles()
  ).getCoverageSummary()
  const shares = ['lines', 'branches', 'functions', 'statements'].map(name => summary[name].pct)
  const isComplete = summary.lines.total > 0 && shares.every(share => share === 100)
  if (!isComplete) await new Report({ ...options, reporter: ['text'], skipFull: true }).run()
  console.log(`\nCoverage of ${summary.lines.total} lines: ${Math.min(...shares)} %`)
  return isComplete
}

/** Tells c8 where the source maps are. */
function linkSourceMaps() {
  for (const name of readdirSync(`${COMPILED}/lib`, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.js'))
      appendFileSync(join(COMPILED, 'lib', name), `//# sourceMappingURL=${basename(name)}.map\n`)
  }
}

/** Keeps of each report only what is of lib/: the files of the test framework are most of it. */
function reduceReports(folder) {
  const prefix = pathToFileURL(`${COMPILED}/lib/`).href
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const { result } = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(path, JSON.stringify({ result: result.filter(({ url }) => url.startsWith(prefix)) }))
  }
}
