// Shared by the servers that push: each line is echoed, and one such as 'push 300 …' goes to all connections 300 times.

/** The number of pushes that a line asks for; 0 for a line that is only echoed. */
export function pushesOf(line: string): number {
  return line.startsWith('push ') ? Number.parseInt(line.slice(5), 10) : 0
}

/** Pushes in as many turns of the event loop as there are pushes, so that each of them is a write of its own. */
export function inTurns(pushes: number, push: () => void): void {
  let left = pushes
  const next = () => {
    push()
    if (--left > 0) setImmediate(next)
  }
  setImmediate(next)
}
