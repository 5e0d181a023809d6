import { formatText } from '../../lib/config/text/format-text.js'
import type { Values } from '../../lib/options/option-values.js'
import { show } from '../../lib/testing/show.js'
import type { FuzzCase } from './fuzz-case.js'
import { type Factories, pipelineOf } from './stage-list.js'

/** Writes a case as a test, ready to be pasted into a file of test/fuzz/. */
export function writtenTest(tried: FuzzCase, found: readonly string[], factories: Factories): string {
  const { stages, chunks, transport = 'memory', client, leavesAt, counted } = tried
  const list = formatText(pipelineOf(stages, factories, '.').stages)
  const lines = [
    `stages: [`,
    ...stages.map(([name, values]) => `  [${show(name)}, ${fields(values)}],`),
    `],`,
    `chunks: [${chunks.map(show).join(', ')}],`,
    ...(transport === 'memory' ? [] : [`transport: ${show(transport)},`, `client: ${show(client)},`]),
    ...(client === 'reset' || client === 'destroy' ? [`leavesAt: ${leavesAt},`] : []),
    ...(counted ? ['counted: true,'] : []),
  ]
  return [
    `t.test(${show(`each plan and client gives the same: ${list}`)}, async t => {`,
    ...found.map(line => `  // ${line.replaceAll('\n', '\\n')}`),
    `  const found = await differences({`,
    ...lines.map(line => `    ${line}`),
    `  })`,
    `  t.strictSame(found, [])`,
    `})`,
  ].join('\n')
}

/** Values as code. `show()` leaves what is in an object to Node, which writes no Buffers as code. */
function fields(values: Values): string {
  const all = Object.entries(values).map(([name, value]) => `${name}: ${show(value)}`)
  return all.length === 0 ? '{}' : `{ ${all.join(', ')} }`
}
