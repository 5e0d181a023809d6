import type { Subject } from '../subject.js'

/** The evidence that a stage breaks a law. */
export interface Breach {
  /** The law that is broken, where it is not the one that was checked. */
  readonly law?: Pick<Law, 'name' | 'says'>
  /** A sentence about what was seen. */
  readonly detail?: string
  readonly input?: unknown
  readonly expected?: unknown
  readonly actual?: unknown
  /** The error that shows where it happened. @default the one of `actual` */
  readonly cause?: unknown
  /** The code of a test that fails in the same way. */
  readonly test?: string
}

/** A rule that every stage obeys. */
export interface Law {
  /** The name, as docs/testing.md lists it. */
  readonly name: string
  /** The rule in words, for the message about a breach. */
  readonly says: string
  /** Resolves with the evidence of a breach; undefined where the subject obeys. */
  readonly check: (subject: Subject) => Promise<Breach | undefined>
}
