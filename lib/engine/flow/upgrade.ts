import { InvalidOptionError, StageError } from '../../errors.js'
import type { Stage } from '../../stage.js'
import type { Link } from './link.js'

/** The owner of a segment whose list may become another one. */
export interface UpgradeHost {
  /** Notes the next list, and keeps from now on what comes; throws for a list that does not fit. */
  readonly beginChange: (next: Stage<Buffer, Buffer>) => void
  /** Goes on with the next list: the segment has given all its output. `rest` is what it has not taken. */
  readonly change: (rest: unknown, outputEnded: boolean) => void
}

/** The error of `startTls()` on a list of which no stage says that it changes the connection. */
export function needsUpgrades(): InvalidOptionError {
  return new InvalidOptionError(
    "connection.startTls(): give the stage that calls it 'upgrades: true', so that nothing behind its frame is taken.",
  )
}

/** State of a segment whose connection may change, to another list or to TLS. Other segments have none. */
export class Upgrade {
  readonly #host: UpgradeHost
  /** The last stage that may change the connection. */
  upgrader: Link | undefined
  /** The stage that has changed it to another list, and what was not taken of a chunk then. */
  #becoming: Link | undefined
  #residue: Buffer | undefined
  /** Input is dropped, while the connection goes over to TLS. */
  isHeld = false
  /** Called once everything from before that has left the last stage. */
  #whenQuiet: (() => void) | undefined

  constructor(host: UpgradeHost) {
    this.#host = host
  }

  /** The name of the stage that changes the connection to TLS. */
  get name(): string {
    return (this.upgrader as Link).planned.name
  }

  get isBecoming(): boolean {
    return this.#becoming !== undefined
  }

  /** Begins to become another list, which gets `rest` and what comes behind it. */
  begin(by: Link, next: Stage<Buffer, Buffer>, rest: unknown): void {
    this.#host.beginChange(next)
    this.#residue = rest as Buffer | undefined
    this.#becoming = by
  }

  /** The stage from `head` on that has the beginning of a frame, which would be lost with its list. */
  unfinished(head: Link | undefined): string | undefined {
    for (let link = head; link !== this.#becoming; link = link?.after) {
      if (link?.frame !== 0) return link?.planned.name
    }
    return undefined
  }

  refusal(what: string): StageError {
    return new StageError((this.#becoming as Link).planned.name, `called become() ${what}`)
  }

  /** Takes the bytes that the segment has not taken, and that are those of the next list. */
  takeResidue(): Buffer | undefined {
    const residue = this.#residue
    this.#residue = undefined
    return residue
  }

  change(rest: Buffer | undefined, outputEnded: boolean): void {
    this.#host.change(rest, outputEnded)
  }

  hold(whenQuiet: () => void): void {
    this.isHeld = true
    this.#whenQuiet = whenQuiet
  }

  /** Called at the end of each turn. */
  callWhenQuiet(): void {
    if (this.#whenQuiet === undefined) return
    for (let link = this.upgrader?.after; link !== undefined; link = link.after) if (link.waits) return
    const whenQuiet = this.#whenQuiet
    this.#whenQuiet = undefined
    whenQuiet()
  }
}
