import type { ListenAddress } from '../address/listen-address.js'

const names = new Set<string>()

/**
 * Reserves a name for a listener, made of its address. Primary and workers run the same `listen()` calls of the same
 * script, so a listener has the same name in each of them. A second listener on port 0 gets a number behind its name.
 *
 * @param given - The name that the primary has told, where it has defined the listener.
 */
export function takeName(address: ListenAddress, given?: string): string {
  if (given !== undefined) {
    names.add(given)
    return given
  }
  const text = JSON.stringify(address)
  let name = text
  for (let number = 2; names.has(name); number++) name = `${text} ${number}`
  names.add(name)
  return name
}

/** Frees a name; returns true if no other is in use. */
export function freeName(name: string): boolean {
  names.delete(name)
  return names.size === 0
}
