// Writes what docs/ says of the stages from their definitions: npm run docs. With --check it only says whether it is.
import { readFileSync, writeFileSync } from 'node:fs'
import { catalogue } from '../lib/stages/catalogue.js'
import { stageDocs } from './stage-docs.js'

const page = 'docs/stages.md'
const before = readFileSync(page, 'utf8')
const after = stageDocs(before, catalogue)
if (!process.argv.includes('--check')) {
  writeFileSync(page, after)
} else if (after !== before) {
  console.error(`${page} is not what the definitions say. Run 'npm run docs'.`)
  process.exitCode = 1
}
