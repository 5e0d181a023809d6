/** Transition that makes at least one delimiter certain. */
interface Decision {
  /** Whether the byte that led to it has been consumed; otherwise that byte is looked up again in `state`. */
  readonly takesByte: boolean
  /** The delimiters that are certain; `back` is the distance from the current position back to the first byte. */
  readonly matches: readonly { readonly back: number; readonly length: number }[]
  /** The state in which the search goes on. */
  readonly state: number
}

/** Called with each delimiter as a range of the bytes given to `scan()`; negative offsets lie in earlier bytes. */
export type OnMatch = (start: number, end: number) => void

/**
 * Finds delimiters in bytes that arrive in pieces: the one that begins first, and of those that begin at the same byte
 * the longest. Each byte is looked up once, and once more for each delimiter that it makes certain, so the time is
 * linear for every input.
 *
 * An automaton in the way of Aho and Corasick, over the trie of the delimiters. A state stands for a prefix of a
 * delimiter: the latest bytes, which may still become that delimiter. When the next byte does not continue any
 * delimiter, the search falls back to the longest suffix of these bytes that is a prefix too. If the bytes contain a
 * whole delimiter, that one is certain now; delimiters behind it in the same bytes are found when the table is built.
 */
export class DelimiterSearch {
  /** Prefix that each state stands for. */
  readonly #prefixes: Buffer[] = [Buffer.alloc(0)]
  /** Edges of the trie: for each state, the states of the prefixes that are one byte longer, by that byte. */
  readonly #children: Map<number, number>[] = [new Map()]
  /** Transitions, at `256 * state + byte`: the next state, or the number of states plus the index of a decision. */
  readonly #table: Uint16Array
  readonly #decisions: Decision[] = []
  /** Decision of each state at the end of the input, if its bytes contain a delimiter. */
  readonly #ends: (Decision | undefined)[] = []
  /** Byte that all delimiters begin with, if there is one: the search then skips to it with `indexOf`. */
  readonly #firstByte: number | undefined

  constructor(delimiters: readonly Buffer[]) {
    const accepting = new Set(delimiters.map(delimiter => this.#add(delimiter)))
    const firsts = [...(this.#children[0] as Map<number, number>).keys()]
    this.#firstByte = firsts.length === 1 ? firsts[0] : undefined
    this.#table = new Uint16Array(256 * this.#prefixes.length)
    this.#link(accepting)
  }

  /** The bytes that a state stands for: the latest ones, which may still become a delimiter. */
  prefix(state: number): Buffer {
    return this.#prefixes[state] as Buffer
  }

  /** Reads bytes from a state on (0 at first), and returns the state behind them. */
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

  /**
   * Takes the end of the input in a state: reports the delimiters that are certain now, as ranges before offset 0, and
   * returns the state behind them, whose bytes contain no delimiter.
   */
  end(from: number, onMatch: OnMatch): number {
    let state = from
    for (let end = this.#ends[state]; end !== undefined; end = this.#ends[state]) {
      state = report(end, 0, onMatch)
    }
    return state
  }

  /** Adds a delimiter to the trie, and returns its state. */
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

  /**
   * Fills the table, breadth first: a state falls back to one with a shorter prefix, whose row is complete by then.
   * `accepting` holds the states of whole delimiters.
   */
  #link(accepting: ReadonlySet<number>): void {
    const count = this.#prefixes.length
    const table = this.#table
    /** State of the longest proper suffix that is a prefix, for each state without a decision. */
    const fallback: number[] = [0]
    /** Decision of each state whose bytes contain a delimiter; only a longer delimiter can still replace it. */
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

  /** Adds a decision with the first match of an earlier one, its distance counted from the last byte of `state`. */
  #inheritDecision(state: number, earlier: number): number {
    const { matches, takesByte } = this.#decisions[earlier] as Decision
    const { back, length } = matches[0] as Decision['matches'][number]
    return this.#addDecision(state, takesByte ? back : back + 1, length, false)
  }

  /** Adds the decision for a match, with the matches in the bytes behind it, and returns its index. */
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

/** Reports the matches of a decision at a position, and returns the next state. */
function report({ matches, state }: Decision, at: number, onMatch: OnMatch): number {
  for (const { back, length } of matches) onMatch(at - back, at - back + length)
  return state
}
