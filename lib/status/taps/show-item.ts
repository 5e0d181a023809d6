import { inspect } from 'node:util'
import { printable } from '../../options/printable.js'

/** Elements of a list, and levels below a value, that are shown. */
const MAX_ELEMENTS = 20
const MAX_DEPTH = 3

/** An item as a text of printable ASCII, and whether something is left out. */
export interface ShownItem {
  readonly text: string
  readonly isCut: boolean
}

/** Shows an item of any kind: at most `maxLength` of its bytes or characters. It never throws, and calls nothing of a value. */
export function showItem(item: unknown, maxLength: number): ShownItem {
  const whole = item instanceof Uint8Array || typeof item === 'string' ? item : inspected(item, maxLength)
  return { text: printable(begun(whole, maxLength)), isCut: whole.length > maxLength }
}

function begun(whole: string | Uint8Array, maxLength: number): string | Uint8Array {
  return typeof whole === 'string' ? whole.slice(0, maxLength) : whole.subarray(0, maxLength)
}

function inspected(value: unknown, maxLength: number): string {
  try {
    return inspect(value, {
      depth: MAX_DEPTH,
      customInspect: false,
      breakLength: Infinity,
      maxArrayLength: MAX_ELEMENTS,
      maxStringLength: maxLength,
    })
  } catch {
    // A getter of the value has thrown.
    return 'a value that cannot be shown'
  }
}
