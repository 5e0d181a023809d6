import { escaped, SVG_STYLE } from './chart-style.js'
import { machineLine } from './machine.js'
import type { Results, Row, WorkloadResult } from './results.js'

const WIDTH = 860
const LABEL = 110
const VALUE = 60
const BAR = 15
const STEP = 20
const HEAD = 66
const GROUP = 40
const FOOT = 34

/** The servers of bywash. */
const OWN_SERVERS = [
  ...['echo', 'uppercase', 'map', 'map8', 'streams', 'async', 'async-one', 'generate'],
  ...['delimited', 'fixed', 'length2'],
]

/** Workloads that are not drawn: one has no rate, and the others are not compared with `raw`. */
const NOT_DRAWN = ['burst', 'push', 'proxy-pp', 'proxy-pp16', 'proxy-bulk64', 'proxy-bulk']

/** Draws the chart of docs/ as SVG: for each server a bar of its work per CPU time, and a dashed line for `raw`. */
export function drawChart({ machine, workloads }: Results): string {
  const groups = workloads.filter(({ name }) => !NOT_DRAWN.includes(name)).map(comparable)
  const ratios = groups.flatMap(({ rows }) => rows.map(shareOf))
  const scale = (WIDTH - LABEL - VALUE) / Math.max(1, ...ratios)
  let y = HEAD
  const drawn = groups.map(group => {
    const text = drawGroup(group, y, scale)
    y += GROUP + (group.rows.length - 1) * STEP
    return text
  })
  const height = y + FOOT
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Work for the same CPU time, compared with a raw echo">
  <style>${SVG_STYLE}
  </style>
  <rect class="paper" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>
  <text class="title" x="16" y="28">Work for the same CPU time of the server</text>
  <text class="faint" x="16" y="47">dashed line, 1.00: an echo written by hand on node:net; longer is better</text>
${drawn.join('\n')}
  <text class="faint" x="16" y="${height - 14}">${escaped(machineLine(machine))}</text>
</svg>
`
}

/** Leaves out servers whose CPU time is not known (foreign programs): their rate would be another measure. */
function comparable(workload: WorkloadResult): WorkloadResult {
  const known = workload.rows.filter(({ costRatio }) => costRatio !== undefined)
  return known.length === 0 ? workload : { ...workload, rows: known }
}

function drawGroup({ name, summary, rows }: WorkloadResult, top: number, scale: number): string {
  const first = top + 26
  const bars = rows.slice(1).map((row, n) => drawBar(row, first + n * STEP, scale))
  const bottom = first + bars.length * STEP - (STEP - BAR)
  const raw = LABEL + scale
  return `  <text x="16" y="${top + 14}"><tspan class="group">${escaped(name)}</tspan><tspan class="faint" dx="8">${escaped(summary)}</tspan></text>
  <line class="raw" x1="${raw.toFixed(1)}" x2="${raw.toFixed(1)}" y1="${first - 4}" y2="${bottom + 4}"/>
${bars.join('\n')}`
}

function drawBar(row: Row, y: number, scale: number): string {
  const value = shareOf(row)
  const width = Math.max(1, value * scale)
  const middle = y + BAR - 3
  const kind = OWN_SERVERS.includes(row.server) ? 'ours' : 'others'
  return `  <text x="${LABEL - 8}" y="${middle}" text-anchor="end">${escaped(row.server)}</text>
  <rect class="${kind}" x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>
  <text class="value" x="${(LABEL + width + 6).toFixed(1)}" y="${middle}">${value.toFixed(value < 0.1 ? 3 : 2)}</text>`
}

/** Length of a bar: work per CPU time, or the rate on a system where CPU times are not known. */
function shareOf({ costRatio, ratio }: Row): number {
  return costRatio ?? ratio
}
