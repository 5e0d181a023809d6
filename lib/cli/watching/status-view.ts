import { printable } from '../../options/printable.js'
import type { ConnectionStatus, Shares, StageStatus, Status, Traffic } from '../../status/status.js'
import { wrapped } from '../terminal/table.js'
import { bytes, count, sparkline, time } from './figures.js'
import { cell, cutLine, numberCell, type Part, type StyledLine } from './styled-line.js'

/** The orders of connections. */
export const SORTS = ['wait', 'held', 'traffic', 'age'] as const

export type Sort = (typeof SORTS)[number]

/** Choices of the one who looks. */
export interface ViewState {
  /** Place of the listener whose stages and connections are shown. */
  readonly chosen: number
  readonly sort: Sort
  /** Only connections are shown whose line contains this text. */
  readonly filter: string
}

/** Values of `sort`, the highest first. */
const SORT_VALUES: Readonly<Record<Sort, (connection: ConnectionStatus) => number>> = {
  // One that only waits for input hurts nobody.
  wait: ({ waitsFor, waitedFor }) => (waitsFor.kind === 'input' ? -1 / (waitedFor + 1) : waitedFor),
  held: ({ heldBytes, pendingBytes }) => heldBytes + pendingBytes,
  traffic: ({ bytesIn, bytesOut }) => bytesIn + bytesOut,
  age: ({ duration }) => duration,
}

/** Columns from which the times of an item get columns of their own. */
const WIDE = 72

/** Columns from which the age and the bytes of a connection have room too. */
const WIDEST = 100

/**
 * Draws statuses as lines of `width` columns. Whatever a client has sent is escaped.
 *
 * @param rates - Items per second of each listener in the past, the newest last; by the name of the listener.
 */
export function drawStatuses(
  statuses: readonly Status[],
  state: ViewState,
  rates: ReadonlyMap<string, readonly number[]>,
  width: number,
): readonly StyledLine[] {
  const chosen = Math.min(state.chosen, statuses.length - 1)
  const status = statuses[chosen]
  if (status === undefined) return [[['There is no listener.']]]
  const listeners = statuses.length === 1 ? [] : statuses.map((each, at) => listenerLine(each, at === chosen))
  const lines = [
    ...listeners,
    ...headLines(status, rates.get(status.name) ?? [], width),
    ...stageLines(status.stages, width),
    ...connectionLines(status, state, width),
    ...endLines(status.traffic.total, width),
    ...otherLines(status),
  ]
  return lines.map(line => cutLine(line, width))
}

function listenerLine({ name, connections, traffic, culprit }: Status, isChosen: boolean): StyledLine {
  const rate = traffic.last1s === null ? '' : `  ${count(traffic.last1s.itemsIn)}/s`
  const text = `${isChosen ? '>' : ' '} ${printable(name)}  ${count(connections.open)} open${rate}  `
  return [
    [text, isChosen ? 'bold' : undefined],
    [printable(culprit.text), 'dim'],
  ]
}

function headLines(status: Status, history: readonly number[], width: number): readonly StyledLine[] {
  const { connections, process, traffic, culprit, state } = status
  const { open, handshaking, limit } = connections
  const now = traffic.last1s
  const rates =
    now === null
      ? ['no rates yet']
      : [`in ${bytes(now.bytesIn)}/s`, `out ${bytes(now.bytesOut)}/s`, `${count(now.itemsIn)} reads/s`]
  const { held, capacity } = process.descriptors
  const delay = process.eventLoopDelay
  const facts = [
    `memory ${bytes(process.memory.rss)}`,
    `heap ${bytes(process.memory.heapUsed)}`,
    `files ${count(held)}${capacity === null ? '' : ` of ${count(capacity)}`}`,
    ...(delay === null ? [] : [`loop p99 ${time(delay.p99)}`]),
  ]
  const hurts = culprit.kind === 'stage' || culprit.kind === 'client'
  return [
    [
      [printable(status.name), 'bold'],
      [state === 'open' ? '' : `  ${printable(state)}`, 'red'],
      [`  ${count(open)} open${limit === null ? '' : ` of ${count(limit)}`}`],
      [handshaking === 0 ? '' : `, ${count(handshaking)} in their handshake`],
    ],
    ...phrases(rates, width),
    ...(history.length === 0 ? [] : [[[sparkline(history.slice(-width)), 'green'] as Part]]),
    ...phrases(facts, width),
    ...wrapped(printable(culprit.text), width - 2).map(
      (text, at): StyledLine => [[`${hurts && at === 0 ? '!' : ' '} ${text}`, hurts ? 'red' : 'dim']],
    ),
    [],
  ]
}

/** Puts phrases into as few lines as they need. */
function phrases(list: readonly string[], width: number): readonly StyledLine[] {
  const lines: string[] = []
  for (const phrase of list) {
    const last = lines.at(-1)
    const joined = `${last}  ${phrase}`
    if (last === undefined || joined.length > width) lines.push(phrase)
    else lines[lines.length - 1] = joined
  }
  return lines.map((text): StyledLine => [[text]])
}

const LEGEND = '█busy ▒blocked ·starved'

function stageLines(stages: readonly StageStatus[], width: number): readonly StyledLine[] {
  if (stages.length === 0) return []
  const isWide = width >= WIDE
  const longest = Math.max(...stages.map(({ name }) => printable(name).length))
  const nameWidth = Math.max(Math.min(longest, Math.floor(width / 3)), 5)
  const barWidth = Math.max(Math.min(width - nameWidth - 15 - (isWide ? 29 : 0), 40), 6)
  const times = isWide ? numberCell('median', 9) + numberCell('p99', 9) + numberCell('held', 11) : ''
  const hasRoom = barWidth >= LEGEND.length
  const legend = cell(hasRoom ? LEGEND : '', barWidth)
  const title = `${cell('STAGE', nameWidth)}  ${legend}${numberCell('busy', 6)}${numberCell('in/s', 7)}${times}`
  return [
    ...(hasRoom ? [] : [[[LEGEND, 'dim'] as Part]]),
    [[title, 'dim']],
    ...stages.flatMap(stage => stageRows(stage, nameWidth, barWidth, isWide)),
    [],
  ]
}

function stageRows(
  stage: StageStatus,
  nameWidth: number,
  barWidth: number,
  isWide: boolean,
): readonly StyledLine[] {
  const { itemTime, held, errors, dropped } = stage
  const shares = stage.activeShares ?? stage.shares.last10s ?? stage.shares.last1s
  const rate = stage.in.last1s === null ? '-' : count(stage.in.last1s.items)
  const busy = shares === null ? '-' : `${Math.round(shares.busy * 100)} %`
  const times = [
    numberCell(itemTime === null ? '-' : time(itemTime.median), 9),
    numberCell(itemTime === null ? '-' : time(itemTime.p99), 9),
    numberCell(held.items === 0 ? '-' : bytes(held.bytes), 11),
  ]
  const losses = [
    ...(errors === 0 ? [] : [`${count(errors)} errors`]),
    ...(dropped === 0 ? [] : [`${count(dropped)} dropped`]),
  ]
  return [
    [
      [`${cell(printable(stage.name), nameWidth)}  `],
      ...bar(shares, barWidth),
      [numberCell(busy, 6) + numberCell(rate, 7) + (isWide ? times.join('') : '')],
    ],
    ...(losses.length === 0 ? [] : [[[`  ${losses.join(', ')}`, 'red'] as Part]]),
  ]
}

/** The parts of a bar add up to its width. */
function bar(shares: Shares | null, width: number): readonly Part[] {
  if (shares === null) return [[cell('not observed', width), 'dim']]
  const share = (value: number) => Math.min(Math.max(Math.round(value * width), 0), width)
  const busy = share(shares.busy)
  const blocked = Math.min(share(shares.blocked), width - busy)
  return [
    ['█'.repeat(busy), 'green'],
    ['▒'.repeat(blocked), 'red'],
    ['·'.repeat(width - busy - blocked), 'dim'],
  ]
}

function connectionLines(status: Status, state: ViewState, width: number): readonly StyledLine[] {
  const all = new Map([...status.slowest, ...status.largest].map(each => [each.id, each]))
  const value = SORT_VALUES[state.sort]
  const wanted = state.filter.toLowerCase()
  const rows = [...all.values()]
    .sort((one, other) => value(other) - value(one))
    .map(each => connectionLine(each, width))
    .filter(line => line.some(([text]) => text.toLowerCase().includes(wanted)))
  const filter = wanted === '' ? '' : `with '${printable(state.filter)}'`
  if (rows.length === 0)
    return [[[`CONNECTIONS  none ${filter || 'that waits or holds anything'}`, 'dim']], []]
  const order = `  by ${state.sort}${filter === '' ? '' : `, ${filter}`}`
  return [[[`CONNECTIONS${connectionTitle(width)}`, 'dim']], ...rows, [[order, 'dim']], []]
}

function connectionLine(connection: ConnectionStatus, width: number): StyledLine {
  const { id, address, port, worker, duration, bytesIn, bytesOut, waitsFor, waitedFor } = connection
  const peer = address === null ? '-' : `${printable(address)}${port === null ? '' : `:${port}`}`
  const where = `#${id} ${peer}${worker === null ? '' : ` worker ${worker}`}`
  const held = connection.heldBytes + connection.pendingBytes
  const isWide = width >= WIDE
  return [
    [cell(where, Math.max(Math.min(Math.floor(width / 3), 30), 18))],
    [numberCell(held === 0 ? '' : bytes(held), 9)],
    [
      width >= WIDEST
        ? numberCell(time(duration), 11) + numberCell(bytes(bytesIn), 10) + numberCell(bytes(bytesOut), 10)
        : '',
    ],
    [numberCell(time(waitedFor), isWide ? 10 : 6)],
    // Without room for the whole sentence, the kind alone.
    [
      `  ${isWide ? printable(waitsFor.text) : printable(waitsFor.kind)}`,
      waitsFor.kind === 'input' ? 'dim' : undefined,
    ],
  ]
}

function connectionTitle(width: number): string {
  const place = cell('', Math.max(Math.min(Math.floor(width / 3), 30), 18) - 11)
  const facts = width >= WIDEST ? numberCell('age', 11) + numberCell('in', 10) + numberCell('out', 10) : ''
  return `${place}${numberCell('held', 9)}${facts}${numberCell('waits', width >= WIDE ? 10 : 6)}  for`
}

function endLines({ opened, ended, refused }: Traffic, width: number): readonly StyledLine[] {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort(([, one], [, other]) => other - one)
      .map(([name, number]) => `${printable(name)} ${count(number)}`)
  const ends = list(ended)
  const refusals = list(refused)
  return [
    ...phrases([`opened ${count(opened)}`, ...(ends.length === 0 ? [] : ['ended:', ...ends])], width),
    ...(refusals.length === 0 ? [] : phrases(['refused:', ...refusals], width)),
  ]
}

function otherLines({ hubs, upstreams, workers }: Status): readonly StyledLine[] {
  return [
    ...hubs.map(
      ({ name, subscribers, lagging, losses }): StyledLine => [
        [`hub ${printable(name)}: ${count(subscribers)} subscribers, ${count(lagging)} behind`],
        [losses === 0 ? '' : `, ${count(losses)} lost`, 'red'],
      ],
    ),
    ...upstreams.map(
      ({ address, open, connects, failures }): StyledLine => [
        [`upstream ${printable(address)}: ${count(open)} open, ${count(connects)} connects`],
        [failures === 0 ? '' : `, ${count(failures)} failed`, 'red'],
      ],
    ),
    ...workers.map(
      ({ number, state, connections, culprit }): StyledLine => [
        [
          `worker ${number} ${printable(state)}: ${count(connections)} open  `,
          state === 'serving' ? undefined : 'red',
        ],
        [printable(culprit.text), 'dim'],
      ],
    ),
  ]
}
