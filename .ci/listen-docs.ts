import { LISTENER_OPTIONS } from '../lib/config/listener-options.js'
import { defaultOf, valuesOf } from '../lib/config/option-words.js'
import type { Option } from '../lib/option.js'

/** Writes the table of the keys of `listen:` anew, between `<!-- listen -->` and `<!-- end -->`. */
export function listenDocs(page: string): string {
  const rows = Object.entries(LISTENER_OPTIONS).map(([name, option]) => {
    const cells = [`\`${name}\``, takes(option), standard(option), option.help]
    return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  const table = ['| key | takes | default | |', '|---|---|---|---|', ...rows].join('\n')
  return page.replace(/<!-- listen -->[\s\S]*<!-- end -->/, () => `<!-- listen -->\n${table}\n<!-- end -->`)
}

/** What is larger is there for the machine, and tells people nothing. */
const MOST = 1_000_000

function takes(option: Option): string {
  const { type, unit, isList, choices = [], minimum, maximum = 0 } = option
  if (isList) return 'a text, or a list of them'
  if (unit === 'ms') return 'a time'
  if (type === 'boolean') return '`true`, `false`'
  if (type === 'choice') return choices.map(choice => `\`${choice}\``).join(', ')
  if (type !== 'integer') return 'a text'
  return maximum > MOST ? `from ${minimum}` : valuesOf(option)
}

function standard(option: Option): string {
  const { default: value } = option
  if (value === undefined) return defaultOf(option)
  return `\`${typeof value === 'number' ? defaultOf(option) : value}\``
}
