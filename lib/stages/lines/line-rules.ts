import { InvalidOptionError } from '../../errors.js'
import { boolean, choice } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { maxLength as maxLengthOption } from '../frames/frame-options.js'
import { DEFAULT_RULES, LINE_PROFILES, type LineProfile, type ProfileRules } from './line-profiles.js'

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
  maxLength: maxLengthOption('the longest line, without its delimiter, finished or not'),
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

type LineSettings = SettingsOf<typeof LINES_OPTIONS>

/** The options of `lines()`, checked, and what follows from them. All connections of a stage share one object. */
export interface LineRules extends ProfileRules {
  readonly bare: 'data' | 'error'
  readonly encoding: 'utf8' | 'latin1' | 'buffer'
  readonly maxLength: number
  /** The most bytes in front of the LF, or in front of the CR where `maxLength` does not count it. */
  readonly limit: number
  /** Whether a CR in front of the LF belongs to the delimiter and is not counted by the limit. */
  readonly excludesCr: boolean
  /** Whether a line that is not UTF-8 is refused as a fault of the peer. */
  readonly isStrict: boolean
  /** Whether a block can be decoded as a whole and then split at every LF, without a look at the bytes of each line. */
  readonly isPlain: boolean
  /** Whether the stage may run on whole blocks of bytes, where the planner finds that nobody needs single lines. */
  readonly isBlockwise: boolean
}

/**
 * Checks that the options of `lines()` go together, and works out the rules.
 *
 * @param given - The options that the caller gave, without defaults.
 */
export function lineRules(
  { profile, bare, encoding, ...settings }: LineSettings,
  given: Partial<LineSettings>,
): LineRules {
  if (profile !== undefined) checkProfile(profile, given)
  const rules: ProfileRules =
    profile === undefined ? { ...DEFAULT_RULES, ...settings } : LINE_PROFILES[profile]
  const { delimiter, keep, counts, invalid, overflow } = rules
  const maxLength = given.maxLength ?? rules.maxLength
  // An option that has no effect is refused: the caller would count on a check that is not made.
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

function checkProfile(profile: LineProfile, given: Partial<LineSettings>): void {
  const other = Object.keys(given).find(name => !['profile', 'maxLength', 'encoding'].includes(name))
  if (other !== undefined) {
    throw new InvalidOptionError(
      `lines(): '${other}' is fixed by profile '${profile}', with which only maxLength and encoding may be given.`,
    )
  }
}
