import { readFileSync, writeFileSync } from 'node:fs'
import type { Measured, Worst } from './verdict.js'

const DOCUMENT = 'docs/reliability.md'
const BEGIN = '<!-- npm run amplify -- --update writes this table -->'
const END = '<!-- the end of the table -->'

/** The table of what was measured, as Markdown. */
export function tableOf(all: readonly Worst[]): string {
  const rows = all.map(({ stage, time, memory }) => {
    const cells = [
      `\`${stage}\``,
      time === undefined ? '' : nanoseconds(time.value),
      cause(time),
      memory === undefined ? '' : `${kibibytes(memory.value)} of ${kibibytes(memory.limit)}`,
      cause(memory),
    ]
    return `| ${cells.join(' | ')} |`
  })
  return ['| stage | ns a byte | with | held of stated | with |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** Puts a table where the document has one. */
export function updateDocument(table: string): void {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin === -1 || end === -1) throw new Error(`${DOCUMENT} has no place for the table.`)
  writeFileSync(DOCUMENT, `${text.slice(0, begin + BEGIN.length)}\n${table}\n${text.slice(end)}`)
}

/** Two digits are as much as is the same the next time. */
function nanoseconds(value: number): string {
  return `${Number(value.toPrecision(value < 10 ? 1 : 2))}`
}

function kibibytes(value: number): string {
  return `${Math.max(0, Math.round(value / 1024))} KiB`
}

function cause(measured: Measured | undefined): string {
  if (measured === undefined) return ''
  const input = measured.input.replaceAll('|', '\\|')
  return `${measured.subject.replaceAll('|', '\\|')}: ${input}`
}
