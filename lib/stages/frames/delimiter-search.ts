/** What is certain at a place: delimiters that end there or before, and the state to go on from. */
interface Decision {
  /** Whether it takes the byte that led to it. */
  readonly takesByte: boolean
  /** Each delimiter as a number of bytes back from the place, and a length. */
  readonly matches: readonly { readonly back: number; readonly length: number }[]
  readonly state: number
}

/** Gets each delimiter as a range of the bytes that were given; it may begin, or lie, in front of them. */
export type OnMatch = (start: number, end: number) => void

/**
 * Finds delimiters in bytes that come in pieces: the one that begins first, and the longest of those that begin at the
 * same byte. Never looks at a byte again, so it costs linear time for every input.
 *
 * An automaton in the way of Aho and Corasick. A state stands for the bytes behind the last frame that may still become
 * a delimiter. Where those come to nothing, the longest end of them that may still become one is the next state; unless
 * a whole delimiter lies in them, which is then certain, and what is behind it was looked up beforehand.
 */
export class DelimiterSearch {
  /** The bytes that each state stands for. */
  readonly #prefixes: Buffer[] = [Buffer.alloc(0)]
  readonly #children: Map<number, number>[] = [new Map()]
  /** State and byte to the next state, or to the number of states plus that of a decision. */
  readonly #table: Uint16Array
  readonly #decisions: Decision[] = []
  /** What is certain in each state once nothing more comes. */
  readonly #ends: (Decision | undefined)[] = []
  /** The byte that all delimiters begin with. */
  readonly #firstByte: number | undefined

  constructor(delimiters: readonly Buffer[]) {
    const accepting = new Set(delimiters.map(delimiter => this.#add(delimiter)))
    const firsts = [...(this.#children[0] as Map<number, number>).keys()]
    this.#firstByte = firsts.length === 1 ? firsts[0] : undefined
    this.#table = new Uint16Array(256 * this.#prefixes.length)
    this.#link(accepting)
  }

  /** The bytes that a state stands for: they were seen, and may still become a delimiter. */
  prefix(state: number): Buffer {
    return this.#prefixes[state] as Buffer
  }

  /** Takes bytes in a state (0 at first), and returns the state behind them. */
  scan(from: number, bytes: Buffer, onMatch: OnMatch): number {
    let state = from
    let at = 0
    while (at < bytes.length) {
      if (state === 0 && this.#firstByte !== undefined) {
        at = bytes.indexOf(this.#firstByte, at)
        if (at === -1) return 0
      }
      const next = this.#table[256 * state + (bytes[at] as number)] as number
      if (next < this.#prefixes.length) {
        state = next
        at++
      } else {
        const decision = this.#decisions[next - this.#prefixes.length] as Decision
        if (decision.takesByte) at++
        state = report(decision, at, onMatch)
      }
    }
    return state
  }

  /** Takes the end of the input in a state, and returns the state whose bytes are no delimiter. Ranges end at 0. */
  end(from: number, onMatch: OnMatch): number {
    let state = from
    for (let end = this.#ends[state]; end !== undefined; end = this.#ends[state]) {
      state = report(end, 0, onMatch)
    }
    return state
  }

  #add(delimiter: Buffer): number {
    let state = 0
    for (const [index, byte] of delimiter.entries()) {
      const children = this.#children[state] as Map<number, number>
      const next = children.get(byte) ?? this.#prefixes.length
      if (!children.has(byte)) {
        children.set(byte, next)
        this.#prefixes.push(delimiter.subarray(0, index + 1))
        this.#children.push(new Map())
      }
      state = next
    }
    return state
  }

  /** Fills the table, short states first: what a state falls back to is always shorter. */
  #link(accepting: ReadonlySet<number>): void {
    const count = this.#prefixes.length
    const table = this.#table
    /** The state to go on from when a state's bytes come to nothing. */
    const fallback: number[] = [0]
    /** The decision of a state whose bytes hold a delimiter that nothing in front of it can replace. */
    const decisionOf: (number | undefined)[] = []
    const queue = [0]
    for (const state of queue) {
      const depth = this.prefix(state).length
      const children = this.#children[state] as Map<number, number>
      const decision = decisionOf[state]
      const row = 256 * state
      if (decision !== undefined) {
        table.fill(count + decision, row, row + 256)
        this.#ends[state] = this.#decisions[decision]
      } else if (state !== 0) {
        const shorter = fallback[state] as number
        table.copyWithin(row, 256 * shorter, 256 * shorter + 256)
        this.#ends[state] = this.#ends[shorter]
      }
      for (const [byte, child] of children) {
        if (accepting.has(child)) {
          const takesByte = (this.#children[child] as Map<number, number>).size === 0
          decisionOf[child] = this.#addDecision(child, depth + 1, depth + 1, takesByte)
        } else if (decision !== undefined) {
          decisionOf[child] = this.#inheritDecision(child, decision)
        } else {
          const next = state === 0 ? 0 : (table[row + byte] as number)
          if (next < count) fallback[child] = next
          else decisionOf[child] = this.#inheritDecision(child, next - count)
        }
      }
      for (const [byte, child] of children) {
        const isLast = (this.#children[child] as Map<number, number>).size === 0
        table[row + byte] = isLast ? count + (decisionOf[child] as number) : child
        if (!isLast) queue.push(child)
      }
    }
  }

  /** The decision of a state that a shorter one had made, seen from its last byte. */
  #inheritDecision(state: number, earlier: number): number {
    const { matches, takesByte } = this.#decisions[earlier] as Decision
    const { back, length } = matches[0] as Decision['matches'][number]
    return this.#addDecision(state, takesByte ? back : back + 1, length, false)
  }

  #addDecision(state: number, back: number, length: number, takesByte: boolean): number {
    const remainder = this.prefix(state).subarray(this.prefix(state).length - back + length)
    const matches = [{ back, length }]
    const next = this.scan(0, remainder, (start, end) => {
      matches.push({ back: remainder.length - start, length: end - start })
    })
    this.#decisions.push({ takesByte, matches, state: next })
    return this.#decisions.length - 1
  }
}

function report({ matches, state }: Decision, at: number, onMatch: OnMatch): number {
  for (const { back, length } of matches) onMatch(at - back, at - back + length)
  return state
}
