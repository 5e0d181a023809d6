// tsx test/soak/hostile.ts [connections]: measures what hostile connections make a server hold, for docs/reliability.md.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectSoak } from './client.js'
import type { SoakReport } from './server.js'

const COUNT = Number(process.argv[2] ?? 2000)
/** The longest line that is not refused, unfinished: as much as a client can make the server keep of its input. */
const UNFINISHED = Buffer.alloc(4096, 'x')
const LINE = Buffer.alloc(1024, 'x').fill('\n', 1023)

const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), ['hostile'], {
  execArgv: ['--import=tsx', '--expose-gc'],
})
const [{ port }] = (await once(child, 'message')) as [{ port: number }]

async function ask(): Promise<SoakReport> {
  const answer = once(child, 'message')
  child.send('report')
  return (await answer)[0].report
}

/** What each of many connections costs, in bytes, when each has done the same. */
async function measure(title: string, act: (write: (bytes: Buffer) => void) => void): Promise<void> {
  const before = await ask()
  const clients = await Promise.all(Array.from({ length: COUNT }, () => connectSoak(port)))
  for (const { socket } of clients) {
    socket.pause()
    act(bytes => socket.write(bytes))
  }
  // Until the server takes no more.
  let last = await ask()
  for (let still = 0; still < 3; ) {
    await delay(300)
    const now = await ask()
    still = Math.abs(now.heap - last.heap) < COUNT && now.connections === COUNT ? still + 1 : 0
    last = now
  }
  const each = (bytes: number) => `${Math.round(bytes / COUNT / 1024)} KiB`
  console.log(
    `${title}: ${each(last.heap - before.heap)} of heap and buffers, ${each(last.rss - before.rss)} of rss`,
  )
  for (const { socket } of clients) socket.destroy()
  while ((await ask()).connections > 0) await delay(100)
}

console.log(`${COUNT} connections, each:`)
await measure('idle', () => {})
await measure('an unfinished line of 4096 bytes', write => write(UNFINISHED))
await measure('1 MiB of lines sent, no answer read', write => write(Buffer.concat(Array(1024).fill(LINE))))
child.send('close')
