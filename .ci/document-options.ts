// Writes the help of each option into the declarations in dist/, where an editor shows it. Runs behind tsc.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isStageFactory } from '../lib/definition.js'
import type { OptionTable } from '../lib/options/option.js'
import { hasOptions, withHelp } from './with-help.js'

for (const name of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue
  const path = `dist/${name}`
  const declarations = readFileSync(path, 'utf8')
  if (!hasOptions(declarations)) continue
  const tables: OptionTable[] = Object.entries(
    await import(`../lib/${name.replace(/\.d\.ts$/, '.js')}`),
  ).flatMap(([key, value]) =>
    isStageFactory(value)
      ? [value.definition.options]
      : key.endsWith('_OPTIONS')
        ? [value as OptionTable]
        : [],
  )
  writeFileSync(path, withHelp(declarations, Object.assign({}, ...tables)))
}
