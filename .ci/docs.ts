// Writes the generated parts of docs/: stages and listeners from their definitions, commands from their help (npm run
// docs). With --check it only says whether they are current.
import { readFileSync, writeFileSync } from 'node:fs'
import { catalogue } from '../lib/stages/catalogue.js'
import { cliDocs } from './cli-docs.js'
import { listenDocs } from './listen-docs.js'
import { stageDocs } from './stage-docs.js'

const pages: Readonly<Record<string, (before: string) => string | Promise<string>>> = {
  'docs/stages.md': before => stageDocs(before, catalogue),
  'docs/cli.md': cliDocs,
  'docs/file.md': listenDocs,
}

for (const [page, written] of Object.entries(pages)) {
  const before = readFileSync(page, 'utf8')
  const after = await written(before)
  if (!process.argv.includes('--check')) {
    writeFileSync(page, after)
  } else if (after !== before) {
    console.error(`${page} is not what the definitions say. Run 'npm run docs'.`)
    process.exitCode = 1
  }
}
