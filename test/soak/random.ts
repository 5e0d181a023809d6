/** Numbers that look random, and are the same for the same seed (mulberry32). */
export interface Random {
  /** A whole number from 0 up to `limit`, exclusive. */
  readonly below: (limit: number) => number
}

export function random(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = state
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
  return { below: limit => Math.floor(next() * limit) }
}
