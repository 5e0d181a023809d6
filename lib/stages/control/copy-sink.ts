/** Hears what became of the items that it has given to a sink. */
export interface Copier {
  /** Called when items have been written, or, with an error, could not be. */
  readonly settle: (count: number, error?: Error | null) => void
}

/** Target of the copies of `tee`, as one connection uses it: a file, or a Writable. */
export interface CopySink {
  /** Amount that waits, in units. */
  readonly waiting: number
  readonly unit: 'bytes' | 'items'
  /** Name in messages. */
  readonly title: string
  /** Whether it has ended or failed for good, and the error for which it did. */
  readonly isClosed: boolean
  readonly error: Error | null
  /** Takes an item; throws if it is of a sort that the sink cannot write. */
  readonly write: (item: unknown, copier: Copier) => void
  /** Whether an item has to wait, with `onLag: 'wait'`, while so much may wait in the sink. */
  readonly lags: (maxPending: number) => boolean
  /** Resolves when some of what waits has been written, or the sink has closed. */
  readonly moved: () => Promise<void>
  /** Called once, when the connection gives it no more. */
  readonly release: () => void
}
