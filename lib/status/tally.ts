import type { Reason } from '../outcome.js'
import type { RefusalReason, Traffic } from './status.js'

type Counted = Pick<Traffic, 'opened' | 'refused' | 'ended'>

/** The numbers of connections that a book keeps, by what became of them. */
export interface Tally extends Counted {
  open: () => void
  refuse: (reason: RefusalReason) => void
  end: (reason: Reason) => void
  /** Counts a connection whose handshake has failed: it was not served. */
  turnAway: () => void
}

/** Tally of this process, or of this thread. */
export class LocalTally implements Tally {
  #opened = 0
  readonly #refused: Partial<Record<RefusalReason, number>> = {}
  readonly #ended: Partial<Record<Reason, number>> = {}

  get opened(): number {
    return this.#opened
  }

  get refused(): Readonly<Partial<Record<RefusalReason, number>>> {
    return this.#refused
  }

  get ended(): Readonly<Partial<Record<Reason, number>>> {
    return this.#ended
  }

  open(): void {
    this.#opened++
  }

  refuse(reason: RefusalReason): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  end(reason: Reason): void {
    this.#ended[reason] = (this.#ended[reason] ?? 0) + 1
  }

  turnAway(): void {
    this.#opened--
    this.refuse('handshake')
  }

  /** Adds what another tally has. */
  add({ opened, refused, ended }: Counted): void {
    this.#opened += opened
    Object.assign(this.#refused, addUp(this.#refused, refused))
    Object.assign(this.#ended, addUp(this.#ended, ended))
  }
}

/** The sums of counts by name. */
export function addUp<Name extends string>(
  one: Readonly<Partial<Record<Name, number>>>,
  other: Readonly<Partial<Record<Name, number>>>,
): Partial<Record<Name, number>> {
  const sums: Partial<Record<Name, number>> = { ...one }
  for (const [name, count] of Object.entries(other) as [Name, number][]) {
    sums[name] = (sums[name] ?? 0) + count
  }
  return sums
}
