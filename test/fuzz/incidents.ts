type Hear = (error: unknown) => void

const EVENTS = ['uncaughtException', 'unhandledRejection', 'warning'] as const

/** What the process is told of while something runs: errors that nobody catches, rejections that nobody handles, warnings. */
export async function collectIncidents(run: () => Promise<void>): Promise<string[]> {
  const incidents: string[] = []
  const others = EVENTS.map(event => [event, process.rawListeners(event) as Hear[]] as const)
  const own = EVENTS.map(event => {
    const hear: Hear = error =>
      void incidents.push(`${event}: ${error instanceof Error ? error.message : error}`)
    process.removeAllListeners(event).on(event, hear)
    return [event, hear] as const
  })
  try {
    await run()
  } finally {
    for (const [event, hear] of own) process.off(event, hear)
    for (const [event, listeners] of others) for (const listener of listeners) process.on(event, listener)
  }
  return incidents
}
