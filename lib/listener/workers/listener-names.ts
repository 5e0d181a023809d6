import type { ListenAddress } from '../address/listen-address.js'

const names = new Set<string>()

/**
 * Names a listener by where it listens: each process of a script runs the same `listen()` calls, and so comes to the
 * same names. A second one on port 0 gets a number.
 */
export function takeName(address: ListenAddress): string {
  const text = JSON.stringify(address)
  let name = text
  for (let number = 2; names.has(name); number++) name = `${text} ${number}`
  names.add(name)
  return name
}

/** Frees a name; true when it was the last. */
export function freeName(name: string): boolean {
  names.delete(name)
  return names.size === 0
}
