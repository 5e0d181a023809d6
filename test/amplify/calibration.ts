/** Nanoseconds that a step of the loop takes on the machine for which the limits were chosen. */
const REFERENCE_NS = 1.35

const STEPS = 2_000_000

/** Processor time that this process has taken, with its threads, in nanoseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** How many times longer this machine takes than that for which the limits were chosen, at this moment; at least 1. */
export function slowness(): number {
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = processorTime()
    spin()
    best = Math.min(best, processorTime() - before)
  }
  return Math.max(1, best / STEPS / REFERENCE_NS)
}

const bytes = new Uint8Array(65_536)

/** Does what most stages do: looks at each byte. */
function spin(): void {
  let sum = 1
  for (let step = 0; step < STEPS; step++) {
    sum = (sum * 31 + (bytes[step & 0xffff] as number)) | 0
    bytes[sum & 0xffff] = sum
  }
}
