import type { Growth, Series } from './growth.js'
import { machineLine } from './machine.js'

/** Formats how costs grow as text, with a table for each series. */
export function formatGrowth({ machine, rounds, series }: Growth): string {
  return [`${machineLine(machine)}\nmedian of ${rounds}`, ...series.map(seriesTable)].join('\n\n')
}

function seriesTable({ name, summary, axis, unit, lines }: Series): string {
  const sizes = [...new Set(lines.flatMap(line => line.costs.map(({ size }) => size)))]
  const rows = lines.map(line => [
    line.name,
    ...sizes.map(size => shown(line.costs.find(each => each.size === size)?.cost)),
  ])
  const all = [[axis, ...sizes.map(size => size.toLocaleString('en'))], ...rows]
  const width = Math.max(...all.map(([first = '']) => first.length))
  const text = all.map(
    ([first = '', ...cells]) => first.padEnd(width) + cells.map(cell => cell.padStart(10)).join(''),
  )
  return [`${name}: ${summary}, in ${unit}`, ...text].join('\n')
}

function shown(cost: number | undefined): string {
  return cost === undefined ? '–' : cost.toPrecision(3)
}
