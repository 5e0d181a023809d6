// What every server of the bench does besides serving: prints its port, and tells of its memory when it is asked.

/** Bytes after a full garbage collection: `heap` is the JavaScript heap and what it holds outside of itself. */
export interface Memory {
  readonly heap: number
  readonly rss: number
}

/** Prints the port, answers each message with a `Memory`, and ends with the process that started the server. */
export function report(port: number): void {
  process.stdout.write(`${port}\n`)
  process.on('message', () => void process.send?.(memory()))
  if (process.channel) process.on('disconnect', () => process.exit())
}

function memory(): Memory {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, rss }
}
