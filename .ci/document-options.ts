// Writes the help of each option into the declarations in dist/, where an editor shows it. Runs behind tsc.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isStageFactory } from '../lib/definition.js'
import type { OptionTable } from '../lib/options/option.js'
import { withHelp } from './with-help.js'

const sources = readdirSync('lib/stages', { recursive: true, encoding: 'utf8' })
for (const source of sources.filter(name => name.endsWith('.ts'))) {
  const name = source.replace(/\.ts$/, '')
  const tables: OptionTable[] = Object.entries(await import(`../lib/stages/${name}.js`)).flatMap(
    ([key, value]) =>
      isStageFactory(value)
        ? [value.definition.options]
        : key.endsWith('_OPTIONS')
          ? [value as OptionTable]
          : [],
  )
  // Those that only hand on what others define have nothing to say.
  if (name === 'index' || tables.length === 0) continue
  const path = `dist/stages/${name}.d.ts`
  writeFileSync(path, withHelp(readFileSync(path, 'utf8'), Object.assign({}, ...tables)))
}
