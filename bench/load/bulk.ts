import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Fail } from './client.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import { makeTape } from './tape.js'

/** About how much one write hands to the system. */
const WRITE_BYTES = 256 * 1024

/** Every connection writes as fast as it may, and what comes back is counted, in megabytes. */
export async function bulk(job: JobOf<'bulk'>, fail: Fail): Promise<Measured> {
  const { target, connections, size, seconds } = job
  const tape = makeTape(size, primeFrom(WRITE_BYTES / size), target.upper)
  const clients = Array.from({ length: connections }, () => new Client(target, tape, 0, () => {}, fail))
  for (const { socket } of clients) {
    const write = () => {
      // A write that the system takes at once drains nothing; the others are to have their turn before the next.
      if (!socket.destroyed && socket.write(tape.sent)) setImmediate(write)
    }
    socket.on('drain', write)
    write()
  }
  const received = () => clients.reduce((sum, { check }) => sum + check.received, 0) / 1e6
  await delay(seconds * 250)
  const watch = new Watch(target.pid)
  watch.begin()
  const before = received()
  await delay(seconds * 1e3)
  const measured = watch.end(received() - before)
  for (const client of clients) client.reset()
  return measured
}

function primeFrom(start: number): number {
  let prime = Math.floor(start)
  while (!isPrime(prime)) prime++
  return prime
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false
  return number > 1
}
