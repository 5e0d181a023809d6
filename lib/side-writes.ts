/** Something that a connection has still to write beside its output, such as a copy into a file, when it is over. */
export interface SideWrite {
  /** Called when nobody waits for it any longer: what is not written yet is lost. */
  readonly giveUp: () => void
}

/** The side writes of stages, of those that have any. */
export function sideWritesOf(stages: Iterable<{ readonly sideWrites?: SideWrites }>): readonly SideWrites[] {
  return [...stages].flatMap(({ sideWrites }) => sideWrites ?? [])
}

/** Resolves when all of them are finished. */
export async function finishAll(sideWrites: Iterable<SideWrites>): Promise<void> {
  await Promise.all([...sideWrites].map(each => each.finished()))
}

export function giveUpAll(sideWrites: Iterable<SideWrites>): void {
  for (const each of sideWrites) each.giveUp()
}

/**
 * The side writes of one stage that have outlived their connections. `listener.close()`, and a command before it exits,
 * wait for them.
 */
export class SideWrites {
  readonly #unfinished = new Set<SideWrite>()
  readonly #waiting: (() => void)[] = []

  add(write: SideWrite): void {
    this.#unfinished.add(write)
  }

  delete(write: SideWrite): void {
    this.#unfinished.delete(write)
    if (this.#unfinished.size > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when the connections that are over have written everything, or were given up. */
  async finished(): Promise<void> {
    if (this.#unfinished.size > 0) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  giveUp(): void {
    for (const write of this.#unfinished) write.giveUp()
  }
}
