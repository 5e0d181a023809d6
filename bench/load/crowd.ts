import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Fail } from './client.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import { makeTape, type Tape } from './tape.js'

const SIZE = 64
const TAPE_LINES = 509

/** Workload `burst`: opens all connections at once. Each sends a line; the run ends when the last has its answer. */
export async function burst(job: JobOf<'burst'>, fail: Fail): Promise<Measured> {
  const { target, connections } = job
  const tape = makeTape(SIZE, TAPE_LINES, target)
  const watch = new Watch(target.pid)
  watch.begin()
  const clients: Client[] = []
  await new Promise<void>(resolve => {
    let left = connections
    const look = ({ check }: Client) => {
      if (check.received === SIZE && --left === 0) resolve()
    }
    for (let n = 0; n < connections; n++) {
      const client = new Client(target, tape, n % TAPE_LINES, look, fail)
      client.socket.write(lineOf(tape, n))
      clients.push(client)
    }
  })
  const measured = watch.end(connections)
  for (const client of clients) client.reset()
  return measured
}

const held: Client[] = []

/**
 * Opens idle connections and keeps them open. The last one of each batch sends a line: when its answer comes, all
 * before it have been accepted. With `speak` each of them sends a line, and waits for its answer.
 */
export async function hold(job: JobOf<'hold'>, fail: Fail): Promise<void> {
  const { target, connections, speak = false } = job
  const tape = makeTape(SIZE, TAPE_LINES, target)
  while (held.length < connections) {
    const batch = Math.min(connections - held.length, 500)
    await new Promise<void>(resolve => {
      let left = speak ? batch : 1
      const look = ({ check }: Client) => {
        if (check.received === SIZE && --left === 0) resolve()
      }
      for (let n = 1; n <= batch; n++) {
        const client = new Client(target, tape, 0, look, fail)
        if (speak || n === batch) client.socket.write(lineOf(tape, 0))
        held.push(client)
      }
    })
  }
  while (!held.every(({ check }) => check.greeted)) await delay(5)
}

/** Resets the connections that `hold` has opened. */
export function release(): void {
  for (const client of held.splice(0)) client.reset()
}

function lineOf({ sent }: Tape, number: number): Buffer {
  const line = number % TAPE_LINES
  return sent.subarray(line * SIZE, (line + 1) * SIZE)
}
