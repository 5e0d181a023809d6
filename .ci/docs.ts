// Writes what docs/ says of the stages from their definitions: npm run docs.
import { readFileSync, writeFileSync } from 'node:fs'
import { catalogue } from '../lib/stages/catalogue.js'
import { stageDocs } from './stage-docs.js'

const page = 'docs/stages.md'
writeFileSync(page, stageDocs(readFileSync(page, 'utf8'), catalogue))
