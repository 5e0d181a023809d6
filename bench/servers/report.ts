// Shared by the servers: each prints its port, and reports its memory when the benchmark asks for it.

/** Memory after a full garbage collection, in bytes. `heap` includes memory outside V8's heap that its objects hold. */
export interface Memory {
  readonly heap: number
  readonly rss: number
}

/** Prints the port, answers each message with a `Memory`, and exits when the parent process does. */
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
