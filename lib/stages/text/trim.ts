import { defineStage } from '../../define-stage.js'
import { map } from '../../stage.js'

/**
 * Removes white space from both ends of each line: space, tab, line feed, vertical tab, form feed and carriage return
 * (0x20 and 0x09 to 0x0d, as C's `isspace`). Takes and emits lines. Other characters stay, the no-break space too: in a
 * line of `encoding: 'latin1'` its byte 0xa0 may be part of another character.
 *
 * @example
 * pipeline().through(lines()).through(trim()).through(toLines())
 */
export const trim = defineStage({
  name: 'trim',
  summary: 'takes white space off both ends of each line',
  accepts: 'line',
  emits: 'line',
  memory: {},
  examples: ['lines | trim | to-lines'],
  make: () => map('trim', trimmed, { asks: false }),
})

function trimmed(line: string): string {
  let start = 0
  let end = line.length
  while (start < end && isSpace(line.charCodeAt(start))) start++
  while (end > start && isSpace(line.charCodeAt(end - 1))) end--
  return line.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}
