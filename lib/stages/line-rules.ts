import { checkBoolean, checkChoice, checkInteger, checkNames } from '../check-option.js'
import { InvalidOptionError } from '../errors.js'
import {
  DEFAULT_RULES,
  LINE_PROFILES,
  type LineDelimiter,
  type LineProfile,
  type ProfileRules,
} from './line-profiles.js'

/** Options of `lines()`. */
export interface LinesOptions {
  /**
   * Follows the rules of another line decoder to the byte; docs/stages.md has the table. Only `maxLength` and
   * `encoding` may be given with it.
   */
  readonly profile?: LineProfile
  /**
   * What ends a line: `'\n'` alone, so that a CR is content; `'\r?\n'`; or strictly `'\r\n'`.
   * @default '\r?\n'
   */
  readonly delimiter?: LineDelimiter
  /**
   * With delimiter `'\r\n'`: whether a CR or an LF without the other is `data` of the line, or an `error` that ends the
   * connection behind the lines before it. @default 'data'
   */
  readonly bare?: 'data' | 'error'
  /** Whether a line keeps its delimiter, as it came. @default false */
  readonly keep?: boolean
  /**
   * How bytes become text, `latin1` keeping every byte; or `buffer`, to emit frames and no text. A frame may be a view
   * of the chunk that it came in: copy what is to be kept for long. @default 'utf8'
   */
  readonly encoding?: 'utf8' | 'latin1' | 'buffer'
  /**
   * What happens to a line that is not UTF-8, with encoding `utf8`: `replace` turns its invalid bytes into U+FFFD,
   * `error` ends the connection behind the lines before it, `report` tells `onError`, leaves the line out and goes on.
   * @default 'replace'
   */
  readonly invalid?: 'replace' | 'error' | 'report'
  /** The longest line, in bytes without its delimiter, finished or not. @default 65536 */
  readonly maxLength?: number
  /**
   * What happens to a longer line: `error` ends the connection behind the lines before it, `report` tells `onError`,
   * leaves the line out and goes on behind it, `truncate` emits its first `maxLength` bytes (never half a UTF-8
   * character), `skip` leaves it out without a word. @default 'error'
   */
  readonly overflow?: 'error' | 'report' | 'truncate' | 'skip'
  /** What happens to an unfinished last line at the end of the input. @default 'emit' */
  readonly partial?: 'emit' | 'drop' | 'error'
}

/** The options, checked, as all connections of a stage share them. */
export interface LineRules extends ProfileRules {
  readonly bare: 'data' | 'error'
  readonly encoding: 'utf8' | 'latin1' | 'buffer'
  readonly maxLength: number
  /** `maxLength` as the most bytes before the LF, and before the CR where that is not counted. */
  readonly limit: number
  /** A CR in front of the LF belongs to the delimiter, and the limit does not count it. */
  readonly sparesCr: boolean
  /** Bytes that are not UTF-8 are a fault of the peer. */
  readonly isStrict: boolean
  /** Text without delimiters, cut at every LF: what needs no more than a search for each line. */
  readonly isPlain: boolean
  /** What becomes of a block of lines can be said of the block as bytes. */
  readonly isBlockwise: boolean
}

/** A string has a length limit in V8, and no protocol has longer lines. */
const LARGEST_MAX_LENGTH = 268_435_456

const NAMES = [
  'delimiter',
  'bare',
  'keep',
  'encoding',
  'invalid',
  'maxLength',
  'overflow',
  'partial',
  'profile',
] as const

/** Checks the options of `lines()`. */
export function lineRules(options: LinesOptions): LineRules {
  checkNames('lines()', options, NAMES)
  const { profile, bare = 'data', encoding = 'utf8', ...rest } = options
  if (profile !== undefined) checkProfile(profile, options)
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const rules: ProfileRules = {
    ...(profile === undefined ? DEFAULT_RULES : LINE_PROFILES[profile]),
    ...given,
  }
  const { delimiter, keep, counts, invalid, maxLength, overflow, partial } = rules
  if (profile === undefined) {
    checkChoice('lines()', 'delimiter', delimiter, ['\n', '\r?\n', '\r\n'])
    checkChoice('lines()', 'bare', bare, ['data', 'error'])
    checkBoolean('lines()', 'keep', keep)
    checkChoice('lines()', 'invalid', invalid, ['replace', 'error', 'report'])
    checkChoice('lines()', 'overflow', overflow, ['error', 'report', 'truncate', 'skip'])
    checkChoice('lines()', 'partial', partial, ['emit', 'drop', 'error'])
    // An option without an effect would be a check that is silently not there.
    if (bare !== 'data' && delimiter !== '\r\n') {
      throw new InvalidOptionError(`lines(): 'bare' needs delimiter "\\r\\n".`)
    }
    if (invalid !== 'replace' && encoding !== 'utf8') {
      throw new InvalidOptionError(`lines(): 'invalid' needs encoding "utf8".`)
    }
  }
  checkChoice('lines()', 'encoding', encoding, ['utf8', 'latin1', 'buffer'])
  checkInteger('lines()', 'maxLength', maxLength, 1, LARGEST_MAX_LENGTH)
  const isStrict = encoding === 'utf8' && invalid !== 'replace'
  const isPlain = delimiter !== '\r\n' && !keep && encoding !== 'buffer' && !isStrict
  return {
    ...rules,
    bare,
    encoding,
    limit: counts === 'delimiter' ? maxLength - 1 : maxLength,
    sparesCr: counts === 'content' && delimiter !== '\n',
    isStrict,
    isPlain,
    isBlockwise: isPlain && overflow !== 'report' && (profile === undefined || profile === 'split2'),
  }
}

function checkProfile(profile: LineProfile, options: LinesOptions): void {
  checkChoice('lines()', 'profile', profile, Object.keys(LINE_PROFILES))
  const other = NAMES.slice(0, -1).find(
    name => !['maxLength', 'encoding'].includes(name) && options[name] !== undefined,
  )
  if (other !== undefined) {
    throw new InvalidOptionError(
      `lines(): '${other}' is fixed by profile '${profile}', with which only maxLength and encoding may be given.`,
    )
  }
}
