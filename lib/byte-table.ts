import { InvalidOptionError } from './errors.js'
import { dropRejection } from './kind.js'

/** The byte that each of the 256 bytes becomes, by its index. */
export type ByteTable = Uint8Array

const ASCII_CHARACTERS = 128
const LINE_FEED = 0x0a

/** The table that changes nothing. */
export function identityTable(): ByteTable {
  return Uint8Array.from({ length: 256 }, (_, byte) => byte)
}

/**
 * Makes the table of a `bytewise` map by calling its function with each ASCII character. Other bytes stay as they are, and
 * so does the line feed, which is in no line.
 *
 * @throws InvalidOptionError when a character does not become one other ASCII character, or becomes a line feed.
 */
export function byteTable(name: string, transform: (line: string) => string): ByteTable {
  const table = identityTable()
  for (let byte = 0; byte < ASCII_CHARACTERS; byte++) {
    if (byte !== LINE_FEED) table[byte] = mappedByte(name, transform, String.fromCharCode(byte))
  }
  return table
}

function mappedByte(name: string, transform: (line: string) => string, character: string): number {
  let to: unknown
  try {
    to = transform(character)
  } catch (cause) {
    throw new InvalidOptionError(
      `map('${name}'): 'bytewise' asks once for each ASCII character; ${JSON.stringify(character)} failed: ${cause}`,
    )
  }
  const byte = typeof to === 'string' && to.length === 1 ? to.charCodeAt(0) : ASCII_CHARACTERS
  if (byte < ASCII_CHARACTERS && byte !== LINE_FEED) return byte
  dropRejection(to)
  throw new InvalidOptionError(
    `map('${name}'): with 'bytewise' each ASCII character becomes one other, and no line feed; ` +
      `${JSON.stringify(character)} became ${JSON.stringify(to)}. Leave 'bytewise' out.`,
  )
}

/** The table of going through several tables in order. */
export function composed(tables: readonly ByteTable[]): ByteTable {
  return tables.reduce((before, table) => before.map(byte => table[byte] as number), identityTable())
}
