import { LISTENER_OPTIONS } from '../lib/config/listener-options.js'
import { defaultInWords, valuesInWords } from '../lib/config/text/option-words.js'
import { TLS_FILE_OPTIONS } from '../lib/config/tls-files.js'
import { WEBSOCKET_OPTIONS } from '../lib/listener/websocket/websocket-options.js'
import { MAX_WORKERS, WORKERS_OPTIONS } from '../lib/listener/workers/workers-options.js'
import type { Option, OptionTable } from '../lib/options/option.js'
import { formatQuantity } from '../lib/options/quantity.js'
import { STATUS_OPTIONS } from '../lib/status-server/status-options.js'

/** Renews the tables of the keys of `listen:`, `tls:`, `websocket:`, `status:` and `workers:`, from `<!-- listen -->` and the like to `<!-- end -->`. */
export function listenDocs(page: string): string {
  return [
    { name: 'listen', options: LISTENER_OPTIONS },
    { name: 'tls', options: TLS_FILE_OPTIONS },
    { name: 'websocket', options: WEBSOCKET_OPTIONS },
    { name: 'status', options: STATUS_OPTIONS },
    { name: 'workers', options: WORKERS_OPTIONS },
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
    const cells = [`\`${name}\``, VALUES[name] ?? valuesOf(option), defaultOf(option), option.help]
    return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return ['| key | takes | default | |', '|---|---|---|---|', ...rows].join('\n')
}

/** The values of options that are texts of a form of their own. */
const VALUES: Readonly<Record<string, string>> = { count: `1 to ${MAX_WORKERS}, \`auto\`` }

/** A larger maximum is there for the machine, and tells people nothing. */
const MAX_TELLING = 1_000_000

function valuesOf(option: Option): string {
  const { type, unit, isList, choices = [], minimum = 0, maximum = 0 } = option
  if (isList) return 'a text, or a list of them'
  if (unit === 'ms') return 'a time'
  if (type === 'boolean') return '`true`, `false`'
  if (type === 'choice') return choices.map(choice => `\`${choice}\``).join(', ')
  if (type !== 'integer') return 'a text'
  return maximum > MAX_TELLING ? `from ${formatQuantity(minimum, unit)}` : valuesInWords(option)
}

function defaultOf(option: Option): string {
  const { default: value } = option
  if (value === undefined) return defaultInWords(option)
  return `\`${typeof value === 'number' ? defaultInWords(option) : value}\``
}
