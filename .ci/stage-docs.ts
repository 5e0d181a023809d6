import type { Definition, StageFactory } from '../lib/definition.js'
import type { Option } from '../lib/options/option.js'
import { defaultInMarkdown, quoted, valuesInMarkdown } from './option-markdown.js'

const BY_HAND = '<!-- by hand -->'
const KINDS = {
  bytes: 'bytes',
  line: 'lines',
  frame: 'frames',
  value: 'values',
  any: 'any kind',
  same: 'the same',
}

/**
 * Writes the page of the stages anew: what stands above a line `<!-- by hand -->` comes from the definitions, and what
 * stands below it stays. A stage without a section gets one at the end.
 */
export function stageDocs(page: string, catalogue: ReadonlyMap<string, StageFactory>): string {
  const [head = '', ...sections] = page.split(/^(?=## )/m)
  const names = sections.map(section => /^## (.*)/.exec(section)?.[1] ?? '')
  const all = [...names.filter(name => catalogue.has(name)), ...catalogue.keys()]
  const definitions = [...new Set(all)].map(name => (catalogue.get(name) as StageFactory).definition)
  const table = `<!-- kinds -->\n${kindsTable(definitions)}\n<!-- end -->`
  return [
    head.replace(/<!-- kinds -->[\s\S]*<!-- end -->/, () => table).trimEnd(),
    ...definitions.map(definition => section(definition, sections[names.indexOf(definition.name)])),
  ]
    .join('\n\n')
    .concat('\n')
}

function section(definition: Definition, before = ''): string {
  const at = before.indexOf(BY_HAND)
  const byHand = at === -1 ? '' : before.slice(at).trimEnd()
  const { name, summary, examples } = definition
  const sentence = `${summary.replace(/^./, letter => letter.toUpperCase())}.`
  const shown = examples.map(example => `\`${example}\``).join(', ')
  return [
    `## ${name}`,
    `${kinds(definition)} ${sentence}`,
    optionsTable(definition),
    examples.length === 0 ? '' : `In a text: ${shown}`,
    byHand,
  ]
    .filter(part => part !== '')
    .join('\n\n')
}

function kinds({ accepts, emits, variant }: Definition): string {
  const { option = '', value } = variant ?? {}
  const when = value === undefined ? `\`${option}\`` : `\`${option}: ${quoted(value).slice(1, -1)}\``
  const other = (kind: keyof typeof KINDS | undefined) =>
    kind === undefined || kind === 'same' ? '' : ` (${KINDS[kind]} with ${when})`
  return `Takes ${KINDS[accepts]}${other(variant?.accepts)}, gives ${KINDS[emits]}${other(variant?.emits)}.`
}

function optionsTable({ arguments: list, options }: Definition): string {
  const rows = [
    ...Object.entries(list).map(([name, option]) =>
      row(`\`${name}\`, an argument`, option, option.isList ? 'none' : 'none, it is required'),
    ),
    ...Object.entries(options).map(([name, option]) => row(`\`${name}\``, option, defaultInMarkdown(option))),
  ]
  return rows.length === 0 ? '' : ['| option | values | default | |', '|---|---|---|---|', ...rows].join('\n')
}

function row(name: string, option: Option, defaultValue: string): string {
  const cells = [name, valuesInMarkdown(option), defaultValue, option.help]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function kindsTable(definitions: readonly Definition[]): string {
  const rows = new Map<string, string[]>()
  for (const { name, accepts, emits } of definitions) {
    const key = `| ${KINDS[accepts]} | ${KINDS[emits]} |`
    rows.set(key, [...(rows.get(key) ?? []), `\`${name}\``])
  }
  return [
    '| takes | gives | stages |',
    '|---|---|---|',
    ...[...rows].map(([key, names]) => `${key} ${names.join(', ')} |`),
  ].join('\n')
}
