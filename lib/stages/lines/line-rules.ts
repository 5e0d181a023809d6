import { InvalidOptionError } from '../../errors.js'
import { boolean, choice, integer } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { DEFAULT_RULES, LINE_PROFILES, type LineProfile, type ProfileRules } from './line-profiles.js'

/** What a line's length is at most. A string has a length limit in V8, and no protocol has longer lines. */
const MAX_LINE_BYTES = 268_435_456

export const LINES_OPTIONS = {
  delimiter: choice(['\n', '\r?\n', '\r\n'], {
    default: '\r?\n',
    help: 'what ends a line: LF alone, so that a CR is content; LF with at most one CR before it; or strictly CR LF',
  }),
  bare: choice(['data', 'error'], {
    default: 'data',
    help: 'with delimiter CR LF: whether a CR or an LF without the other is content, or ends the connection behind the lines before it',
  }),
  keep: boolean({ default: false, help: 'a line keeps its delimiter, as it came' }),
  encoding: choice(['utf8', 'latin1', 'buffer'], {
    default: 'utf8',
    help: 'how bytes become text; latin1 keeps every byte, and buffer makes frames and no text: copy one that is kept for long, for it may be a view of a chunk',
  }),
  invalid: choice(['replace', 'error', 'report'], {
    default: 'replace',
    help: 'what happens to a line that is not UTF-8: its invalid bytes become U+FFFD, it ends the connection behind the lines before it, or it goes to onError and is left out',
  }),
  maxLength: integer({
    unit: 'bytes',
    minimum: 1,
    maximum: MAX_LINE_BYTES,
    default: DEFAULT_RULES.maxLength,
    help: 'the longest line, without its delimiter, finished or not',
  }),
  overflow: choice(['error', 'report', 'truncate', 'skip'], {
    default: 'error',
    help: 'what happens to a longer line: it ends the connection behind the lines before it, goes to onError and is left out, is cut (never within a UTF-8 character), or is left out',
  }),
  partial: choice(['emit', 'drop', 'error'], {
    default: 'emit',
    help: 'what happens to an unfinished last line at the end of the input',
  }),
  profile: choice(Object.keys(LINE_PROFILES) as LineProfile[], {
    absent: 'none',
    help: 'follows the rules of another line decoder to the byte; only maxLength and encoding may be given with it',
  }),
}

/** Options of `lines()`. */
export type LinesOptions = OptionsOf<typeof LINES_OPTIONS>

/** The options, checked, as all connections of a stage share them. */
export interface LineRules extends ProfileRules {
  readonly bare: 'data' | 'error'
  readonly encoding: 'utf8' | 'latin1' | 'buffer'
  readonly maxLength: number
  /** `maxLength` as the most bytes before the LF, and before the CR where that is not counted. */
  readonly limit: number
  /** A CR in front of the LF belongs to the delimiter, and the limit does not count it. */
  readonly excludesCr: boolean
  /** Bytes that are not UTF-8 are a fault of the peer. */
  readonly isStrict: boolean
  /** Text without delimiters, cut at every LF: what needs no more than a search for each line. */
  readonly isPlain: boolean
  /** What becomes of a block of lines can be said of the block as bytes. */
  readonly isBlockwise: boolean
}

/** Checks how the options of `lines()` go together. */
export function lineRules(
  { profile, bare, encoding, ...settings }: SettingsOf<typeof LINES_OPTIONS>,
  given: LinesOptions,
): LineRules {
  if (profile !== undefined) checkProfile(profile, given)
  const rules: ProfileRules =
    profile === undefined ? { ...DEFAULT_RULES, ...settings } : LINE_PROFILES[profile]
  const { delimiter, keep, counts, invalid, overflow } = rules
  const maxLength = given.maxLength ?? rules.maxLength
  // An option without an effect would be a check that is silently not there.
  if (bare !== 'data' && delimiter !== '\r\n') {
    throw new InvalidOptionError(`lines(): 'bare' needs delimiter "\\r\\n".`)
  }
  if (invalid !== 'replace' && encoding !== 'utf8' && profile === undefined) {
    throw new InvalidOptionError(`lines(): 'invalid' needs encoding "utf8".`)
  }
  const isStrict = encoding === 'utf8' && invalid !== 'replace'
  const isPlain = delimiter !== '\r\n' && !keep && encoding !== 'buffer' && !isStrict
  return {
    ...rules,
    bare,
    encoding,
    maxLength,
    limit: counts === 'delimiter' ? maxLength - 1 : maxLength,
    excludesCr: counts === 'content' && delimiter !== '\n',
    isStrict,
    isPlain,
    isBlockwise: isPlain && overflow !== 'report' && (profile === undefined || profile === 'split2'),
  }
}

function checkProfile(profile: LineProfile, given: LinesOptions): void {
  const other = Object.keys(given).find(name => !['profile', 'maxLength', 'encoding'].includes(name))
  if (other !== undefined) {
    throw new InvalidOptionError(
      `lines(): '${other}' is fixed by profile '${profile}', with which only maxLength and encoding may be given.`,
    )
  }
}
