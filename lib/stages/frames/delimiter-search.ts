/** A delimiter, or the rest of one. */
interface Match {
  /** Distance from the current position back to the first byte. */
  readonly back: number
  readonly length: number
  /** Whether it is the rest that makes the delimiter before it a longer one. */
  readonly isRest: boolean
}

/** Transition that makes at least one delimiter certain. */
interface Decision {
  /** Whether the byte that led to it has been consumed; otherwise that byte is looked up again in `state`. */
  readonly takesByte: boolean
  /** The delimiters that are certain. */
  readonly matches: readonly Match[]
  /** The state in which the search goes on. */
  readonly state: number
}

/**
 * Called with each delimiter as a range of the bytes given to `scan()`; negative offsets lie in earlier bytes. With `isRest` the
 * range makes the delimiter in front of it a longer one, and ends no frame.
 */
export type OnMatch = (start: number, end: number, isRest: boolean) => void

/**
 * Finds delimiters in bytes that arrive in pieces: the one that begins first, and of those that begin at the same byte
 * the longest. That is found in two parts where a shorter one begins it: the shorter one as soon as it is whole, so that
 * its frame need not wait, and the rest when it has come. Each byte is looked up once, and once more for each delimiter
 * that it makes certain, so the time is linear for every input.
 *
 * An automaton in the way of Aho and Corasick, over the trie of the delimiters. A state stands for a prefix of a
 * delimiter: the latest bytes, which may still become that delimiter. When the next byte does not continue any
 * delimiter, the search falls back to the longest suffix of these bytes that is a prefix too; where the prefix begins
 * with a whole delimiter, of the bytes behind that one. If they contain a whole delimiter, that one is certain now;
 * delimiters behind it in the same bytes are found when the table is built.
 */
export class DelimiterSearch {
  /** Prefix that each state stands for. */
  readonly #prefixes: Buffer[] = [Buffer.alloc(0)]
  /** The bytes of each prefix behind the longest delimiter that it begins with, if it begins with one. */
  readonly #pending: Buffer[] = [Buffer.alloc(0)]
  /** Edges of the trie: for each state, the states of the prefixes that are one byte longer, by that byte. */
  readonly #children: Map<number, number>[] = [new Map()]
  /** Transitions, at `256 * state + byte`: the next state, or the number of states plus the index of a decision. */
  readonly #table: Uint16Array
  readonly #decisions: Decision[] = []
  /** Decision of each state at the end of the input, if its bytes contain a delimiter. */
  readonly #ends: (Decision | undefined)[] = []
  /** Byte that all delimiters begin with, if there is one: the search then skips to it with `indexOf`. */
  readonly #firstByte: number | undefined
  /** The delimiter, where it is the only one, and a single byte. */
  readonly #onlyByte: number | undefined

  constructor(delimiters: readonly Buffer[]) {
    const accepting = new Set(delimiters.map(delimiter => this.#add(delimiter)))
    const firsts = [...(this.#children[0] as Map<number, number>).keys()]
    this.#firstByte = firsts.length === 1 ? firsts[0] : undefined
    this.#onlyByte = this.#prefixes.length === 2 ? this.#firstByte : undefined
    this.#table = new Uint16Array(256 * this.#prefixes.length)
    this.#link(accepting)
  }

  /** The latest bytes, which may still become a delimiter, or make the one in front of them longer. */
  pending(state: number): Buffer {
    return this.#pending[state] as Buffer
  }

  /** Reads bytes from a state on (0 at first), and returns the state behind them. */
  scan(from: number, bytes: Buffer, onMatch: OnMatch): number {
    if (this.#onlyByte !== undefined) return scanForByte(bytes, this.#onlyByte, onMatch)
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
        const length = accepting.has(child) ? 0 : this.pending(state).length + 1
        const prefix = this.#prefixes[child] as Buffer
        this.#pending[child] = prefix.subarray(prefix.length - length)
        if (accepting.has(child)) {
          table[row + byte] = count + this.#addWhole(state, child)
          fallback[child] = 0
        } else if (decision !== undefined) {
          decisionOf[child] = this.#inheritDecision(child, decision)
        } else {
          const next = state === 0 ? 0 : (table[row + byte] as number)
          if (next < count) fallback[child] = next
          else decisionOf[child] = this.#inheritDecision(child, next - count)
        }
      }
      for (const [byte, child] of children) {
        if (!accepting.has(child)) table[row + byte] = child
        if (this.#stateBehind(child) !== 0) queue.push(child)
      }
    }
  }

  /** The state behind a prefix that is a whole delimiter: the prefix itself, where a longer delimiter begins with it. */
  #stateBehind(state: number): number {
    return (this.#children[state] as Map<number, number>).size === 0 ? 0 : state
  }

  /** Adds the decision for the last byte of a delimiter, which is certain at once, and returns its index. */
  #addWhole(state: number, child: number): number {
    const length = this.pending(state).length + 1
    const isRest = length < (this.#prefixes[child] as Buffer).length
    const matches = [{ back: length, length, isRest }]
    this.#decisions.push({ takesByte: true, matches, state: this.#stateBehind(child) })
    return this.#decisions.length - 1
  }

  /** Adds a decision with the first match of an earlier one, its distance counted from the last byte of `state`. */
  #inheritDecision(state: number, earlier: number): number {
    const { matches, takesByte } = this.#decisions[earlier] as Decision
    const { back, length } = matches[0] as Match
    return this.#addDecision(state, takesByte ? back : back + 1, length)
  }

  /** Adds the decision for a match, with the matches in the bytes behind it, and returns its index. */
  #addDecision(state: number, back: number, length: number): number {
    const prefix = this.#prefixes[state] as Buffer
    const start = prefix.length - back
    const remainder = prefix.subarray(start + length)
    const matches: Match[] = [{ back, length, isRest: false }]
    const behind = this.#stateBehind(this.#stateOf(prefix.subarray(start, start + length)))
    const next = this.scan(behind, remainder, (start, end, isRest) => {
      matches.push({ back: remainder.length - start, length: end - start, isRest })
    })
    this.#decisions.push({ takesByte: false, matches, state: next })
    return this.#decisions.length - 1
  }

  /** The state of a prefix. */
  #stateOf(prefix: Buffer): number {
    return prefix.reduce(
      (state, byte) => (this.#children[state] as Map<number, number>).get(byte) as number,
      0,
    )
  }
}

/** Reports each place of a byte, and returns the state behind, which is always that of the beginning. */
function scanForByte(bytes: Buffer, byte: number, onMatch: OnMatch): number {
  for (let at = bytes.indexOf(byte); at !== -1; at = bytes.indexOf(byte, at + 1)) onMatch(at, at + 1, false)
  return 0
}

/** Reports the matches of a decision at a position, and returns the next state. */
function report({ matches, state }: Decision, at: number, onMatch: OnMatch): number {
  for (const { back, length, isRest } of matches) onMatch(at - back, at - back + length, isRest)
  return state
}
