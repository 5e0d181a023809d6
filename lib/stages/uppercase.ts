import { map, type TransformerStage } from '../stage.js'

const BEYOND_ASCII = /[\u0080-\uffff]/
const ASCII_RUN = /[^\u0080-\uffff]+/g

/**
 * Upper-cases a to z in each line and leaves every other character alone, so that a line of any encoding keeps its
 * length. Stands behind `lines()`: a raw chunk may cut a character in half.
 *
 * @example
 * pipeline().through(lines()).through(uppercase()).through(unlines())
 */
export function uppercase(): TransformerStage<string, string> {
  return map('uppercase', line => upper(line, !BEYOND_ASCII.test(line)), { bytewise: upper })
}

/** `toUpperCase` alone would change é, ß, µ and ÿ, some of them to more than one character. */
function upper(text: string, isAscii: boolean): string {
  return isAscii ? text.toUpperCase() : text.replace(ASCII_RUN, run => run.toUpperCase())
}
