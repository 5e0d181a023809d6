// Writes what docs/ says of stages and listeners from their definitions: npm run docs. With --check it only says whether
// it is so.
import { readFileSync, writeFileSync } from 'node:fs'
import { catalogue } from '../lib/stages/catalogue.js'
import { listenDocs } from './listen-docs.js'
import { stageDocs } from './stage-docs.js'

const pages: Readonly<Record<string, (page: string) => string>> = {
  'docs/stages.md': page => stageDocs(page, catalogue),
  'docs/file.md': listenDocs,
}

for (const [page, write] of Object.entries(pages)) {
  const before = readFileSync(page, 'utf8')
  const after = write(before)
  if (!process.argv.includes('--check')) {
    writeFileSync(page, after)
  } else if (after !== before) {
    console.error(`${page} is not what the definitions say. Run 'npm run docs'.`)
    process.exitCode = 1
  }
}
