// Writes what docs/ says of the stages from their definitions, and of the commands from their help: npm run docs.
import { readFileSync, writeFileSync } from 'node:fs'
import { catalogue } from '../lib/stages/catalogue.js'
import { cliDocs } from './cli-docs.js'
import { stageDocs } from './stage-docs.js'

const page = 'docs/stages.md'
writeFileSync(page, stageDocs(readFileSync(page, 'utf8'), catalogue))

const commands = 'docs/cli.md'
writeFileSync(commands, await cliDocs(readFileSync(commands, 'utf8')))
