import { Client, type Fail } from './client.js'
import type { Target } from './job.js'
import type { Tape } from './tape.js'

/** Connects, sends one line and FIN, and reads to the end. */
export async function converse(target: Target, tape: Tape, line: number, fail: Fail): Promise<void> {
  const { sent, size } = tape
  const client = new Client(target, tape, line, () => {}, fail)
  client.socket.write(sent.subarray(line * size, (line + 1) * size))
  await client.finish(size)
}
