import { isUtf8 } from 'node:buffer'
import type { LinesOptions } from '../../../lib/index.js'

/** What is made of an input: lines as latin1 text of their bytes, and faults in their order. */
export interface Reading {
  readonly lines: string[]
  readonly reported: string[]
  readonly failed: string | undefined
}

class Failure extends Error {}

const LONG = 'ERR_BYWASH_FRAME_TOO_LONG'
const FRAME = 'ERR_BYWASH_INVALID_FRAME'
const UTF8 = 'ERR_BYWASH_INVALID_UTF8'

/** A second, slow reading of what `lines()` promises: the whole input at once, a byte at a time. */
export function referenceLines(
  input: Buffer,
  {
    delimiter = '\r?\n',
    bare = 'data',
    keep = false,
    encoding = 'utf8',
    invalid = 'replace',
    maxLength = 65_536,
    overflow = 'error',
    partial = 'emit',
  }: LinesOptions & { maxLength?: number } = {},
): Reading {
  const lines: string[] = []
  const reported: string[] = []
  let content: number[] = []
  let told = false

  const give = (bytes: number[]) => {
    const line = Buffer.from(bytes)
    if (encoding !== 'utf8') {
      lines.push(line.toString('latin1'))
    } else if (invalid === 'replace' || isUtf8(line)) {
      lines.push(Buffer.from(line.toString()).toString('latin1'))
    } else {
      if (invalid === 'error') throw new Failure(UTF8)
      reported.push(UTF8)
    }
  }
  const tooLong = () => {
    if (overflow === 'error') throw new Failure(LONG)
    if (overflow === 'report' && !told) reported.push(LONG)
    told = true
  }
  const finish = (ending: number[]) => {
    const kept = keep ? ending : []
    if (content.length <= maxLength) give([...content, ...kept])
    else {
      tooLong()
      if (overflow === 'truncate') give([...cut(content, maxLength, encoding), ...kept])
    }
    content = []
    told = false
  }

  try {
    for (const [index, byte] of input.entries()) {
      const before = index > 0 ? input[index - 1] : undefined
      const ends = byte === 0x0a && (delimiter !== '\r\n' || before === 0x0d)
      if (ends) {
        const cr = delimiter !== '\n' && content.at(-1) === 0x0d
        if (cr) content.pop()
        finish(cr ? [0x0d, 0x0a] : [0x0a])
        continue
      }
      if (bare === 'error' && (byte === 0x0a || before === 0x0d)) throw new Failure(FRAME)
      // A CR is content as soon as something else than its LF follows.
      if (before === 0x0d && content.length > maxLength) tooLong()
      content.push(byte)
      const open = delimiter !== '\n' && byte === 0x0d ? 1 : 0
      if (content.length - open > maxLength) tooLong()
    }
    if (content.length > 0 && partial !== 'drop') {
      if (bare === 'error' && content.at(-1) === 0x0d) throw new Failure(FRAME)
      if (partial === 'error') throw new Failure(FRAME)
      if (content.length <= maxLength) give(content)
      else {
        tooLong()
        if (overflow === 'truncate') give(cut(content, maxLength, encoding))
      }
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { lines, reported, failed: error.message }
  }
  return { lines, reported, failed: undefined }
}

/** Shortens text byte by byte until no UTF-8 character is cut at its end. */
function cut(content: readonly number[], maxLength: number, encoding: string): number[] {
  const whole = content.slice(0, maxLength)
  if (encoding !== 'utf8') return whole
  const size = (byte: number) => (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1)
  const lead = whole.findLastIndex(byte => byte < 0x80 || byte >= 0xc0)
  const cutsCharacter =
    lead >= whole.length - 3 && lead !== -1 && lead + size(whole[lead] as number) > whole.length
  return cutsCharacter ? whole.slice(0, lead) : whole
}
