import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Fail } from './client.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import { makeTape } from './tape.js'

/** Approximate size of one write. */
const WRITE_BYTES = 256 * 1024

/** Workload `bulk`: every connection writes as fast as it can; the answers are counted in megabytes. */
export async function bulk(job: JobOf<'bulk'>, fail: Fail): Promise<Measured> {
  const { target, connections, size, seconds } = job
  const tape = makeTape(size, primeFrom(WRITE_BYTES / size), target)
  const clients = Array.from({ length: connections }, () => new Client(target, tape, 0, () => {}, fail))
  for (const { socket } of clients) {
    const write = () => {
      // A write that the system takes at once causes no 'drain'. setImmediate() lets other connections have a turn.
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
