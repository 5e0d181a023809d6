import { LISTENER_OPTIONS } from '../lib/config/listener-options.js'
import { defaultOf, valuesOf } from '../lib/config/text/option-words.js'
import { TLS_FILE_OPTIONS } from '../lib/config/tls-files.js'
import type { Option, OptionTable } from '../lib/options/option.js'

/** Writes the tables of the keys of `listen:` and `tls:` anew, between `<!-- listen -->` or `<!-- tls -->` and `<!-- end -->`. */
export function listenDocs(page: string): string {
  return [
    { name: 'listen', options: LISTENER_OPTIONS },
    { name: 'tls', options: TLS_FILE_OPTIONS },
  ].reduce(
    (text, { name, options }) =>
      text.replace(
        new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- end -->`),
        () => `<!-- ${name} -->\n${tableOf(options)}\n<!-- end -->`,
      ),
    page,
  )
}

function tableOf(options: OptionTable): string {
  const rows = Object.entries(options).map(([name, option]) => {
    const cells = [`\`${name}\``, takes(option), standard(option), option.help]
    return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| key | takes | default | |', '|---|---|---|---|', ...rows].join('\n')
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
