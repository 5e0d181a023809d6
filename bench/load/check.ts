import { setTimeout as delay } from 'node:timers/promises'
import { Client, type Fail } from './client.js'
import type { JobOf } from './job.js'
import { makeTape } from './tape.js'

const CONNECTIONS = 8

/** Checks a server before it is measured: sends a whole tape in pieces of odd sizes, and compares every byte. */
export async function check({ target }: JobOf<'check'>, fail: Fail): Promise<void> {
  const tape = makeTape(64, 1021, target)
  const conversations = Array.from({ length: CONNECTIONS }, async (_, n) => {
    const client = new Client(target, tape, 0, () => {}, fail)
    let sent = 0
    for (let size = n + 1; sent < tape.sent.length; size = (size * 7) % 4099) {
      const piece = tape.sent.subarray(sent, sent + size)
      sent += piece.length
      client.socket.write(piece)
      await delay(0)
    }
    await client.finish(sent)
  })
  await Promise.all(conversations)
}
