import t from 'tap'
import { lines, map, pipeline, toLines } from '../../lib/index.js'
import { fakeClock } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { RUNS_ALL } from '../runs.js'
import { connectTcp, type TcpClient } from '../tcp-client.js'
import { identity } from './certificates.js'
import { connectTls } from './tls-client.js'

const reversed = pipeline()
  .through(lines())
  .through(map('reverse', line => [...line].reverse().join('')))
  .through(toLines())

/** Lines of all lengths, of which no two are the same, and some are not ASCII. */
function textOf(client: number): string {
  const lengths = [0, 1, 60, 60, 60, 1_023, 1_024, 4_000]
  const line = (n: number) =>
    `${client} ${n} `.padEnd(lengths[n % lengths.length] as number, n % 7 ? 'x' : 'é')
  return `${Array.from({ length: RUNS_ALL ? 30_000 : 8_000 }, (_, n) => line(n)).join('\n')}\n`
}

/** Resolves when the server takes no more, since nobody reads what it answers. */
async function stalled({ socket }: TcpClient): Promise<void> {
  for (let before = -1, quiet = 0; quiet < 50; quiet = socket.bytesWritten === before ? quiet + 1 : 0) {
    before = socket.bytesWritten
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Sends all, and reads when the server's socket is full, and then a little now and then. */
async function visit(client: TcpClient, number: number): Promise<boolean> {
  const text = textOf(number)
  const expected = Buffer.from(
    text
      .split('\n')
      .map(line => [...line].reverse().join(''))
      .join('\n'),
  )
  client.end(text)
  await stalled(client)
  let at = 0
  while (at < expected.length) {
    const size = Math.min(expected.length - at, 1 + ((at * 7) % 300_000))
    const bytes = await client.receive(size)
    if (!bytes.equals(expected.subarray(at, at + size))) return false
    at += size
    for (let turns = at % 5; turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
  }
  return (await client.receive()).length === 0
}

for (const [name, tls, connect] of [
  ['TCP', undefined, connectTcp],
  ['TLS', identity('server'), connectTls],
] as const) {
  t.test(`${name}: what one connection is lent, no other writes over before it has left`, async t => {
    // Time stands still: on a busy machine no deadline of a client that does not read may pass.
    const options = { clock: fakeClock(), ...(tls === undefined ? {} : { tls }) }
    const { port } = await serveLocally(t, reversed, options)
    const clients = await Promise.all([1, 2, 3].map(() => connect(t, port)))
    t.strictSame(await Promise.all(clients.map(visit)), [true, true, true])
  })
}
