import { setTimeout as delay } from 'node:timers/promises'
import type { SoakClient } from './client.js'
import type { Random } from './random.js'

const TOO_LONG = Buffer.from('error: line is longer than 4096 bytes\n')
const TOO_LATE = Buffer.from('error: line took longer than 10 s\n')

/** What a client does with its connection, until it is over. False: something that must come did not. */
export type Behaviour = (client: SoakClient, random: Random) => Promise<boolean>

/** Lines of any bytes that are text, as the server gives them back. */
export function someLines(random: Random, most = 40): Buffer {
  const line = () => 'é🌊 x'.repeat(random.below(200)) + random.below(1e9)
  return Buffer.from(Array.from({ length: 1 + random.below(most) }, () => `${line()}\n`).join(''))
}

async function sendInPieces({ socket }: SoakClient, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(bytes.length)
    socket.write(bytes.subarray(at, end))
    at = end
    await delay(random.below(3))
  }
}

async function overWith(client: SoakClient): Promise<boolean> {
  const isComplete = await client.received()
  client.socket.end()
  await client.closed
  return isComplete
}

/** By name, from the fault matrix. */
export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  polite: async (client, random) => {
    const sent = someLines(random)
    client.expect(sent)
    await sendInPieces(client, sent, random)
    client.socket.end()
    return overWith(client)
  },
  'FIN without a final newline': async (client, random) => {
    const sent = someLines(random)
    client.expect(sent)
    client.socket.end(sent.subarray(0, -1))
    return overWith(client)
  },
  'RST at once': async ({ socket, closed }) => {
    socket.resetAndDestroy()
    await closed
    return true
  },
  'RST in mid-write': async (client, random) => {
    const sent = someLines(random, 2000)
    client.expect(sent)
    client.socket.write(sent)
    await delay(random.below(5))
    client.socket.resetAndDestroy()
    await client.closed
    return true
  },
  dribble: async (client, random) => {
    const sent = someLines(random, 2).subarray(-30)
    const line = sent.subarray(sent.indexOf(0x20) + 1)
    client.expect(line)
    for (const byte of line) {
      client.socket.write(Buffer.of(byte))
      await delay(1)
    }
    return overWith(client)
  },
  'good lines, then one that is too long': async (client, random) => {
    const good = someLines(random)
    client.expect(Buffer.concat([good, TOO_LONG]))
    client.socket.write(Buffer.concat([good, Buffer.alloc(5000, 'x')]))
    return overWith(client)
  },
  'endless line': async client => {
    client.expect(TOO_LONG)
    client.socket.write(Buffer.alloc(4 * 1024 * 1024, 'x'))
    return overWith(client)
  },
  slowloris: async client => {
    client.expect(TOO_LATE)
    const timer = setInterval(() => client.socket.write('x'), 500)
    const isComplete = await client.received()
    clearInterval(timer)
    client.socket.end()
    await client.closed
    return isComplete
  },
  'never reads': async (client, random) => {
    client.socket.pause()
    const sent = someLines(random)
    client.socket.write(Buffer.concat(Array(200).fill(sent)))
    // Some wait for `drainTimeout`, unless the kernel keeps all of the answer for them.
    await Promise.race([client.closed, delay(random.below(12_000))])
    client.socket.destroy()
    await client.closed
    return true
  },
  'half-closes and stays': async (client, random) => {
    const sent = someLines(random)
    client.expect(sent)
    client.socket.end(sent)
    const isComplete = await client.received()
    await client.closed
    return isComplete
  },
}
