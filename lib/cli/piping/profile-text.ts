import { printable } from '../../options/printable.js'
import type { Profile, ProfiledStage } from '../../status/profile.js'
import type { Amount, Culprit } from '../../status/status.js'
import { wrapped } from '../terminal/table.js'
import { bytes, count, time } from '../watching/figures.js'
import { cell, numberCell } from '../watching/styled-line.js'

/** Columns from which the figures of a stage stand in tables; below, they are written one after the other. */
const TABLE_COLUMNS = 72

/** Columns of each figure in a table beside the name of a stage. */
const TIME_WIDTH = 9
const AMOUNT_WIDTH = 18

/** The causes that slow a run down, apart from stages. */
const CULPRITS: Readonly<Record<Exclude<Culprit['kind'], 'stage'>, string>> = {
  client: 'the output is not taken fast enough',
  input: 'the input does not come fast enough',
  unknown: 'nothing was timed',
}

/**
 * Formats a profile for people, in lines of at most `width` columns: how much in what time, the culprit, and for each stage where
 * the time went, what it took and gave, and what waited in front of it.
 */
export function profileText(
  { duration, bytesIn, bytesOut, stages, culprit }: Profile,
  width: number,
): string {
  const isTimed = stages.every(({ ownTime }) => ownTime !== null)
  const slowest = culprit.kind === 'stage' ? printable(culprit.text) : CULPRITS[culprit.kind]
  const why = isTimed ? slowest : 'a stage runs as a stream, so nothing is timed'
  const draw = width < TABLE_COLUMNS ? blocks : tables
  return [
    ...wrapped(`Ran ${time(duration)}: ${bytes(bytesIn)} in, ${bytes(bytesOut)} out`, width),
    ...wrapped(`Slowest: ${why}`, width),
    ...(stages.length === 0 ? [] : draw(stages, isTimed, width)),
  ]
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}

function tables(stages: readonly ProfiledStage[], isTimed: boolean, width: number): readonly string[] {
  const row = (figureWidth: number) => (name: string, figures: readonly string[]) =>
    cell(name, width - figureWidth * figures.length) +
    figures.map(figure => numberCell(figure, figureWidth)).join('')
  const timeRow = row(TIME_WIDTH)
  const amountRow = row(AMOUNT_WIDTH)
  const times = [
    '',
    timeRow('STAGE', ['time', 'busy', 'blocked', 'starved', 'median', 'p99']),
    ...stages.map(stage => timeRow(printable(stage.name), timesOf(stage))),
  ]
  return [
    ...(isTimed ? times : []),
    '',
    amountRow('STAGE', ['in', 'out', 'held at most']),
    ...stages.flatMap(stage => [
      amountRow(printable(stage.name), [amount(stage.in), amount(stage.out), amount(stage.heldAtMost)]),
      ...(stage.errors > 0 ? [`  ${errorsOf(stage)}`] : []),
    ]),
  ]
}

function blocks(stages: readonly ProfiledStage[], isTimed: boolean, width: number): readonly string[] {
  return stages.flatMap(stage => {
    const [own, busy, blocked, starved, median, p99] = timesOf(stage)
    const times = [`time ${own}`, `busy ${busy}`, `blocked ${blocked}`, `starved ${starved}`]
    const facts = [
      ...(isTimed ? [...times, `median ${median}`, `p99 ${p99}`] : []),
      `in ${amount(stage.in)}`,
      `out ${amount(stage.out)}`,
      `held at most ${amount(stage.heldAtMost)}`,
      ...(stage.errors > 0 ? [errorsOf(stage)] : []),
    ]
    return [
      '',
      cell(printable(stage.name), width),
      ...wrapped(facts.join(', '), width - 2).map(line => `  ${line}`),
    ]
  })
}

function timesOf({ ownTime, shares, itemTime }: ProfiledStage): readonly string[] {
  const percent = (share: number | undefined) => (share === undefined ? '-' : `${Math.round(100 * share)} %`)
  const shown = (milliseconds: number | null | undefined) => (milliseconds == null ? '-' : time(milliseconds))
  return [
    shown(ownTime),
    percent(shares?.busy),
    percent(shares?.blocked),
    percent(shares?.starved),
    shown(itemTime?.median),
    shown(itemTime?.p99),
  ]
}

function amount({ items, bytes: size }: Amount): string {
  return items === 0 ? '-' : `${count(items)} (${bytes(size)})`
}

function errorsOf({ errors }: ProfiledStage): string {
  return errors === 1 ? '1 error' : `${count(errors)} errors`
}
