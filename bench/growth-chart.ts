import { escaped, SVG_STYLE } from './chart-style.js'
import type { Growth, GrowthLine, Series } from './growth.js'
import { machineLine } from './machine.js'

const WIDTH = 860
const COLUMNS = 2
const PANEL = 280
const HEAD = 60
const FOOT = 34
/** Room around the plot of a panel. */
const LEFT = 58
const RIGHT = 18
const TOP = 58
const BOTTOM = 44

/** Draws the chart of docs/ as SVG: a panel for each series. */
export function drawGrowth({ machine, series }: Growth): string {
  const height = HEAD + Math.ceil(series.length / COLUMNS) * PANEL + FOOT
  const panels = series.map((each, index) => {
    const x = (index % COLUMNS) * (WIDTH / COLUMNS)
    const y = HEAD + Math.floor(index / COLUMNS) * PANEL
    return drawPanel(each, x, y)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Costs as work grows">
  <style>${SVG_STYLE}
  </style>
  <rect class="paper" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>
  <text class="title" x="16" y="28">Cost as work grows</text>
  <text class="faint" x="16" y="47">of one message, line or connection; lower is better</text>
${panels.join('\n')}
  <text class="faint" x="16" y="${height - 14}">${escaped(machineLine(machine))}</text>
</svg>
`
}

function drawPanel(series: Series, left: number, top: number): string {
  const { name, summary, axis, unit, scales, lines } = series
  const points = lines.flatMap(({ costs }) => costs)
  const x = scaleTo(
    points.map(({ size }) => size),
    scales.size,
    left + LEFT,
    left + WIDTH / COLUMNS - RIGHT,
  )
  const bottom = top + PANEL - BOTTOM
  const costs = points.map(({ cost }) => cost)
  const y = scaleTo(scales.cost === 'log' ? costs : [0, ...costs], scales.cost, bottom, top + TOP)
  const sizes = [...new Set(points.map(({ size }) => size))]
  const marks = sizes.map(
    size =>
      `  <text class="faint" x="${fixed(x(size))}" y="${bottom + 16}" text-anchor="middle">${shortened(size)}</text>`,
  )
  const grid = ticks(costs, scales.cost).map(
    cost => `  <line class="grid" x1="${left + LEFT}" x2="${fixed(left + WIDTH / COLUMNS - RIGHT)}" y1="${fixed(y(cost))}" y2="${fixed(y(cost))}"/>
  <text class="faint" x="${left + LEFT - 6}" y="${fixed(y(cost) + 4)}" text-anchor="end">${Number(cost.toPrecision(3))}</text>`,
  )
  return `  <text x="${left + 16}" y="${top + 16}"><tspan class="group">${escaped(name)}</tspan><tspan class="faint" dx="8">${escaped(summary)}, ${unit}</tspan></text>
${grid.join('\n')}
${marks.join('\n')}
  <text class="faint" x="${fixed(left + LEFT + (WIDTH / COLUMNS - LEFT - RIGHT) / 2)}" y="${bottom + 34}" text-anchor="middle">${escaped(axis)}</text>
${lines.map((line, index) => drawLine(line, colourOf(series, index), x, y, left + LEFT, top + 36, index)).join('\n')}`
}

/** Servers have a colour each; of memory each has two lines. */
function colourOf({ unit }: Series, index: number): string {
  if (unit !== 'KB') return `line-${index}`
  return `line-${Math.floor(index / 2)}${index % 2 === 1 ? ' dashed' : ''}`
}

function drawLine(
  { name, costs }: GrowthLine,
  colour: string,
  x: (size: number) => number,
  y: (cost: number) => number,
  left: number,
  top: number,
  index: number,
): string {
  const places = costs.map(({ size, cost }) => `${fixed(x(size))},${fixed(y(cost))}`)
  // The legend: three names in a row.
  const legendX = left + (index % 3) * 112
  const legendY = top + Math.floor(index / 3) * 15
  const dots = places.map(place => {
    const [cx, cy] = place.split(',')
    return `  <circle class="${colour}" cx="${cx}" cy="${cy}" r="2.5"/>`
  })
  return `  <polyline class="line ${colour}" style="fill: none" points="${places.join(' ')}"/>
${dots.join('\n')}
  <line class="line ${colour}" x1="${legendX}" x2="${legendX + 16}" y1="${legendY - 4}" y2="${legendY - 4}"/>
  <text x="${legendX + 20}" y="${legendY}">${escaped(name)}</text>`
}

function scaleTo(
  values: readonly number[],
  scale: 'linear' | 'log',
  from: number,
  to: number,
): (value: number) => number {
  const place = (value: number) => (scale === 'log' ? Math.log(value) : value)
  const low = place(Math.min(...values))
  const high = place(Math.max(...values))
  return value => from + ((place(value) - low) / (high - low || 1)) * (to - from)
}

/** Round numbers for the axis of costs. */
function ticks(costs: readonly number[], scale: 'linear' | 'log'): readonly number[] {
  const low = Math.min(...costs)
  const high = Math.max(...costs)
  if (scale === 'log') {
    const first = Math.ceil(Math.log10(low))
    return Array.from({ length: Math.floor(Math.log10(high)) - first + 1 }, (_, n) => 10 ** (first + n))
  }
  const rough = high / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5].find(factor => factor * power >= rough) ?? 10)
  return Array.from({ length: Math.floor(high / step) + 1 }, (_, n) => n * step)
}

function shortened(size: number): string {
  return size >= 1_024 && Number.isInteger(size / 1_024) ? `${size / 1_024} Ki` : size.toLocaleString('en')
}

function fixed(value: number): string {
  return value.toFixed(1)
}
