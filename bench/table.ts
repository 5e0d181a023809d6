import { machineLine } from './machine.js'
import type { Results, Row, WorkloadResult } from './results.js'

const NOTES = `× raw: rate, and work for the same CPU time of the server, where raw is 1; more is better. push and proxy: where the one by hand is 1.
*: the server was at work for less than 90 % of the time. Its rate is what the load, or the machine, allowed;
   the CPU columns are the ones to compare.`

/** Formats all results as text, with a table for each workload. */
export function formatTable(results: Results): string {
  const { connections, rows } = results.idle
  const idle = block(
    `idle: memory for each of ${connections.toLocaleString('en')} connections that say nothing`,
    ['heap KB', '× raw', 'RSS KB', '× raw'],
    rows.map(row => [
      row.server,
      fixed(row.heap / 1024, 2),
      fixed(row.heapRatio, 2),
      fixed(row.rss / 1024, 2),
      fixed(row.rssRatio, 2),
    ]),
  )
  const pinned = results.pinned
    ? 'server and load on a core each'
    : 'server and load not kept on cores of their own'
  const head = `${machineLine(results.machine)}\n${pinned}; every answer was checked, byte by byte`
  return [head, ...results.workloads.map(workloadBlock), ...(rows.length === 0 ? [] : [idle]), NOTES].join(
    '\n\n',
  )
}

function workloadBlock({ name, summary, unit, rounds, rows }: WorkloadResult): string {
  const timed = rows.some(({ p50 }) => p50 !== undefined)
  const once = name === 'burst'
  const ratio = `× ${rows[0]?.server}`
  return block(
    `${name}: ${summary}${rounds > 1 ? ` (median of ${rounds})` : ''}`,
    [
      once ? 'ms' : `${unit}/s`,
      ratio,
      `CPU µs/${unit}`,
      ratio,
      ...(timed ? ['p50 µs', 'p99 µs', 'p99.9 µs'] : []),
    ],
    rows.map(row => [
      row.server,
      (once ? fixed(row.seconds * 1e3, 0) : fixed(row.rate, 0)) + mark(row),
      fixed(row.ratio, 3),
      fixed(row.cost, 2),
      fixed(row.costRatio, 3),
      ...(timed ? [row.p50, row.p99, row.p999].map(us => fixed(us, 0)) : []),
    ]),
  )
}

function mark({ busy }: Row): string {
  return busy !== undefined && busy < 0.9 ? '*' : ' '
}

function fixed(value: number | undefined, digits: number): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits }
  return value === undefined ? '–' : value.toLocaleString('en', format)
}

function block(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [['', ...columns], ...rows]
  const text = all.map(
    ([name = '', ...cells]) => name.padEnd(13) + cells.map(cell => cell.padStart(13)).join(''),
  )
  return [title, ...text].join('\n')
}
