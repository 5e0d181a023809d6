import { Client, type Fail } from './client.js'
import { untilIdle } from './cpu-time.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import type { Tape } from './tape.js'

const SIZE = 64

/**
 * Workload `push`: all connections are opened, and then one of them sends a single line that makes the server push it to
 * every connection, many times. The run ends when the last connection has all of them.
 */
export async function push(job: JobOf<'push'>, fail: Fail): Promise<Measured> {
  const { target, connections, pushes } = job
  const tape = makePushTape(pushes)
  const clients: Client[] = []
  const received = (bytes: number) => {
    let left = connections
    return new Promise<void>(resolve => {
      onRead = ({ check }) => {
        if (check.received === bytes && --left === 0) resolve()
      }
    })
  }
  let onRead: (client: Client) => void = () => {}
  const accepted = received(SIZE)
  for (let n = 0; n < connections; n++) {
    const client = new Client(target, tape, 0, client => onRead(client), fail)
    client.socket.write(tape.sent.subarray(0, SIZE))
    clients.push(client)
  }
  await accepted
  await untilIdle(target.pid)
  const done = received(tape.reply.length)
  const watch = new Watch(target.pid)
  watch.begin()
  clients[0]?.socket.write(tape.sent.subarray(SIZE))
  await done
  const measured = watch.end(connections * pushes)
  for (const client of clients) client.reset()
  return measured
}

/** A line that comes back to its sender, and then one that begins with `push ` and comes to all, `pushes` times. */
function makePushTape(pushes: number): Tape {
  const own = Buffer.from(`${'own line'.padEnd(SIZE - 1)}\n`)
  const pushed = Buffer.from(`${`push ${pushes} `.padEnd(SIZE - 1, 'to all ')}\n`)
  return {
    size: SIZE,
    count: pushes + 1,
    sent: Buffer.concat([own, pushed]),
    reply: Buffer.concat([own, ...Array.from({ length: pushes }, () => pushed)]),
  }
}
