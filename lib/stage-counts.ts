/** The amount of what has gone into a stage, or come out of it. */
export interface Passed {
  readonly items: number
  /**
   * Bytes of bytes and frames; 0 for values. For lines the number of characters (UTF-16 code units), but that of their bytes
   * where the stages run on whole blocks of lines, as `explain()` says.
   */
  readonly bytes: number
}

/** The amounts that have gone into one stage of one connection, and come out of it, so far. */
export interface StageCounts {
  readonly name: string
  readonly in: Passed
  readonly out: Passed
}
