import { once } from 'node:events'
import t from 'tap'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import type { TcpClient } from '../tcp-client.js'
import { watchMemory } from './memory.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

/** What a server may hold for a line of any length: its limit, and chunks that are just being read or swept. */
const BOUND = 16 * MIB
const CHUNK = Buffer.alloc(MIB, 'x')

/** The length of the line, in MiB. */
const LENGTH = RUNS_ALL ? 1024 : 32

/** Sends the line as fast as it is taken, for as long as it is. */
async function sendLine({ socket }: TcpClient, sample: () => Promise<void>): Promise<void> {
  const closed = once(socket, 'close')
  for (let sent = 0; sent < LENGTH && !socket.destroyed; sent++) {
    if (sent % 32 === 31) await sample()
    if (!socket.write(CHUNK)) await Promise.race([once(socket, 'drain'), closed]).catch(() => {})
  }
}

for (const plan of PLANS) {
  t.test(`11: ${LENGTH} MiB line (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', apart: true, options: { plan }, reasons: { 'frame-too-long': 1 } },
      async ({ client, ended, server }) => {
        const long = await client()
        const { sample, most } = await watchMemory(server)
        const sent = sendLine(long, sample)
        t.equal((await long.receive('\n')).toString(), 'error: line is longer than 4096 bytes\n')
        await sample()
        await sent
        await ended(1)
        t.ok(most() < BOUND, `it grew by ${(most() / MIB).toFixed(1)} MiB`)
      },
    ),
  )

  t.test(`11: ${LENGTH} MiB line that is skipped (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'skipping', apart: true, options: { plan }, reasons: { end: 1 } },
      async ({ client, ended, server }) => {
        const long = await client()
        const { sample, most } = await watchMemory(server)
        await sendLine(long, sample)
        long.end('\nnext\n')
        t.equal((await long.receive()).toString(), 'next\n')
        await ended(1)
        t.ok(most() < BOUND, `it grew by ${(most() / MIB).toFixed(1)} MiB`)
      },
    ),
  )
}
