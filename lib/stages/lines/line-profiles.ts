import { DEFAULT_MAX_LENGTH_BYTES } from '../frames/frame-options.js'

/** Delimiter of lines: LF alone (a CR is content), LF with at most one CR before it, or CR LF and nothing else. */
export type LineDelimiter = '\n' | '\r?\n' | '\r\n'

/** Name of a line decoder of another language or framework whose rules `lines()` can follow. */
export type LineProfile = 'go' | 'netty' | 'tokio' | 'twisted' | 'erlang' | 'split2'

/** Rules of a line decoder. */
export interface ProfileRules {
  readonly delimiter: LineDelimiter
  /** Whether a line keeps its delimiter. */
  readonly keep: boolean
  /** Scope of `maxLength`: the `content` alone, with a `cr` in front of the LF, or with the whole `delimiter`. */
  readonly counts: 'content' | 'cr' | 'delimiter'
  /** Limit of a line, in bytes, where the option is not given. */
  readonly maxLength: number
  /** Policy for a line over the limit; `split` cuts it into pieces of `maxLength` bytes. */
  readonly overflow: 'error' | 'report' | 'truncate' | 'skip' | 'split'
  /**
   * Moment at which a line over the limit is refused: `at-limit`, as soon as its content is longer; `past-delimiter`,
   * once it is longer than the limit and a CR LF; or `never` before its delimiter has arrived.
   */
  readonly earlyRefusal: 'at-limit' | 'past-delimiter' | 'never'
  /** Policy for a last line without a delimiter. */
  readonly partial: 'emit' | 'drop' | 'error'
  /**
   * Policy for a CR at the end of an unfinished last line: `keep` it as content, or `strip` it. Where the line is
   * nothing but that CR, `strip` emits an empty line and `strip-or-drop` emits none.
   */
  readonly finalCr: 'keep' | 'strip' | 'strip-or-drop'
  /** Policy for a line that is not UTF-8. */
  readonly invalid: 'replace' | 'error' | 'report'
}

/** Rules of `lines()` without options. */
export const DEFAULT_RULES: ProfileRules = {
  delimiter: '\r?\n',
  keep: false,
  counts: 'content',
  maxLength: DEFAULT_MAX_LENGTH_BYTES,
  overflow: 'error',
  earlyRefusal: 'at-limit',
  partial: 'emit',
  finalCr: 'keep',
  invalid: 'replace',
}

/**
 * Rules of each profile, as found in the source code of its model: bufio.ScanLines and Scanner (Go),
 * LineBasedFrameDecoder with its default `failFast: false` (Netty), LinesCodec (tokio-util), LineReceiver (Twisted),
 * `{packet, line}` (Erlang's inet_drv and packet_parser), split2 4. A model without a limit of its own gets ours.
 *
 * Where the lines of a model depend on how its input was cut, the profile follows what it does with the input in one
 * piece: Netty counts a CR that arrives before its LF, and split2 only limits what a chunk leaves unfinished.
 */
export const LINE_PROFILES: Readonly<Record<LineProfile, ProfileRules>> = {
  split2: DEFAULT_RULES,
  go: { ...DEFAULT_RULES, counts: 'delimiter', finalCr: 'strip' },
  netty: { ...DEFAULT_RULES, overflow: 'report', earlyRefusal: 'never', partial: 'drop' },
  tokio: {
    ...DEFAULT_RULES,
    counts: 'cr',
    overflow: 'report',
    finalCr: 'strip-or-drop',
    invalid: 'report',
  },
  twisted: {
    ...DEFAULT_RULES,
    delimiter: '\r\n',
    maxLength: 16_384,
    earlyRefusal: 'past-delimiter',
    partial: 'drop',
  },
  erlang: {
    ...DEFAULT_RULES,
    delimiter: '\n',
    keep: true,
    counts: 'delimiter',
    maxLength: 1460,
    overflow: 'split',
    partial: 'drop',
  },
}
