import type { Subject } from '../subject.js'

/** What shows that a law is broken. */
export interface Breach {
  /** One sentence. */
  readonly detail?: string
  readonly input?: unknown
  readonly expected?: unknown
  readonly actual?: unknown
  /** A test that fails in the same way, as code. */
  readonly test?: string
}

/** What holds for every stage. */
export interface Law {
  readonly name: string
  readonly says: string
  /** Resolves with what breaks the law, if anything does. */
  readonly check: (subject: Subject) => Promise<Breach | undefined>
}
