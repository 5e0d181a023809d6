import { isAscii } from 'node:buffer'
import { map, type TransformerStage } from '../stage.js'

const BEYOND_ASCII = /[\u0080-\uffff]/

/**
 * Upper-cases a to z in each line and leaves every other character alone, so that a line of any encoding keeps its
 * length. Stands behind `lines()`: a raw chunk may cut a character in half.
 *
 * @example
 * pipeline().through(lines()).through(uppercase()).through(unlines())
 */
export function uppercase(): TransformerStage<string, string> {
  return map('uppercase', upper, { bytewise: upperBytes })
}

/** `toUpperCase` alone would change é, ß, µ and ÿ, some of them to more than one character. */
function upper(line: string): string {
  return BEYOND_ASCII.test(line) ? line.replace(/[a-z]+/g, run => run.toUpperCase()) : line.toUpperCase()
}

/** V8 upper-cases a long ASCII string several times as fast as a loop over its bytes, and a short one no faster. */
function upperBytes(lines: Buffer): void {
  if (lines.length > 256 && isAscii(lines)) {
    lines.write(lines.toString('latin1').toUpperCase(), 'latin1')
    return
  }
  for (let at = 0; at < lines.length; at++) {
    const byte = lines[at] as number
    if (byte >= 0x61 && byte <= 0x7a) lines[at] = byte - 0x20
  }
}
