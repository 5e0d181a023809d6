/** What ends a line: LF alone (a CR is content), LF with at most one CR before it, or CR LF and nothing else. */
export type LineDelimiter = '\n' | '\r?\n' | '\r\n'

/** A line decoder whose rules `lines()` can follow. */
export type LineProfile = 'go' | 'netty' | 'tokio' | 'twisted' | 'erlang' | 'split2'

/** What a line decoder does. */
export interface ProfileRules {
  readonly delimiter: LineDelimiter
  /** Whether a line keeps its delimiter. */
  readonly keep: boolean
  /** What `maxLength` counts: the `content`, also a `cr` in front of the LF, or the whole `delimiter`. */
  readonly counts: 'content' | 'cr' | 'delimiter'
  /** Used where the option is not given. */
  readonly maxLength: number
  /** What happens to a line over the limit; `split` cuts it into pieces of `maxLength` bytes. */
  readonly overflow: 'error' | 'report' | 'truncate' | 'skip' | 'split'
  /**
   * When a line over the limit is refused: `at-limit`, as soon as its content is longer; `past-delimiter`, once it is
   * longer than the limit and a CR LF; or `never` before its delimiter has arrived.
   */
  readonly earlyRefusal: 'at-limit' | 'past-delimiter' | 'never'
  /** What happens to an unfinished last line. */
  readonly partial: 'emit' | 'drop' | 'error'
  /**
   * What happens to a CR at the end of an unfinished last line: `keep` it as content, or `strip` it. Where the line is
   * nothing but that CR, `strip` emits an empty line and `strip-or-drop` emits none.
   */
  readonly finalCr: 'keep' | 'strip' | 'strip-or-drop'
  /** What happens to a line that is not UTF-8. */
  readonly invalid: 'replace' | 'error' | 'report'
}

/** What `lines()` does unless told otherwise. */
export const DEFAULT_RULES: ProfileRules = {
  delimiter: '\r?\n',
  keep: false,
  counts: 'content',
  maxLength: 65_536,
  overflow: 'error',
  earlyRefusal: 'at-limit',
  partial: 'emit',
  finalCr: 'keep',
  invalid: 'replace',
}

/**
 * The rules of each profile, from the sources: bufio.ScanLines and Scanner (Go), LineBasedFrameDecoder with its default
 * `failFast: false` (Netty), LinesCodec (tokio-util), LineReceiver (Twisted), `{packet, line}` (Erlang's inet_drv and
 * packet_parser), split2 4. A peer without a limit of its own gets ours.
 *
 * Where a peer's answer depends on how its input was cut, it is the answer to the whole input: Netty counts a CR
 * that arrives before its LF, and split2 only limits what a chunk leaves unfinished.
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
