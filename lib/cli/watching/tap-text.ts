import { printable } from '../../options/printable.js'
import type { TapEvent } from '../../status/taps/tap-event.js'
import { bytes, time } from './figures.js'
import { cell, numberCell } from './styled-line.js'

/** Columns of the place and of the size of an item. */
const PLACE_WIDTH = 14
const SIZE_WIDTH = 8

/** One line for an event of a tap. Whatever a server sends, it is printable ASCII, but for `…` where a name or an item is cut. */
export function tapLine(event: TapEvent): string {
  const moment = new Date(event.at).toISOString().slice(11, 23)
  if (event.event === 'skipped') {
    return `${moment} ${event.count} more: ${
      event.because === 'rate'
        ? 'raise --max-rate to see more in a second'
        : 'they came faster than they were read'
    }`
  }
  return `${moment} #${event.id} ${wordsOf(event)}`
}

function wordsOf(event: Exclude<TapEvent, { event: 'skipped' }>): string {
  if (event.event === 'item') {
    const { point, stage, size, text, isCut } = event
    const place = cell(safe(point === 'stage' ? String(stage) : point), PLACE_WIDTH)
    return `${place} ${numberCell(bytes(size), SIZE_WIDTH)}  ${safe(text)}${isCut ? '…' : ''}`
  }
  const address = event.address === null ? [] : [safe(event.address)]
  if (event.event !== 'closed') return [event.event, ...address].join(' ')
  const { reason, message, bytesIn, bytesOut, duration } = event
  const figures = [`${bytes(bytesIn)} in`, `${bytes(bytesOut)} out`, time(duration)]
  const facts = [safe(reason), ...address, ...figures].join(', ')
  return ['closed', facts, ...(message === null ? [] : [safe(message)])].join(': ')
}

/** A server of bywash sends printable ASCII; whatever another one sends is escaped. */
function safe(text: string): string {
  return /^[ -~]*$/.test(text) ? text : printable(text)
}
