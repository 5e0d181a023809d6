// npm run soak -- --minutes 30 [--seed 1] [--held 1000]: held connections, and new ones that do what the fault matrix has.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { BEHAVIOURS, someLines } from './behaviours.js'
import { connectSoak, type SoakClient } from './client.js'
import { random } from './random.js'
import type { SoakReport } from './server.js'
import { type Sample, slope } from './slope.js'

const NEW_PER_SECOND = 50
const MIB = 1024 * 1024
/** What memory may grow by in ten minutes, in bytes; also in less, since caches fill at moments of their own. */
const GROWTH = MIB
const TEN_MINUTES = 600

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    held: { type: 'string', default: '1000' },
  },
})
const seconds = Number(values.minutes) * 60
const seed = Number(values.seed)
const heldCount = Number(values.held)
if (!(seconds > 0 && Number.isInteger(seed) && heldCount > 0)) {
  console.error('Usage: npm run soak -- [--minutes 30] [--seed 1] [--held 1000]')
  process.exit(2)
}

const numbers = random(seed)
const names = Object.keys(BEHAVIOURS)
const failures: string[] = []
const running = new Set<Promise<void>>()
let wrong = 0

async function startServer(): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(scriptPath('test/soak/server'), {
    execArgv: [...SCRIPT_FLAGS, '--expose-gc'],
  })
  child.once('exit', code => {
    if (code !== 0) {
      console.error(`FAILED: the server ended with ${code}`)
      process.exit(1)
    }
  })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  return { child, port }
}

async function ask(child: ChildProcess): Promise<SoakReport> {
  const answer = once(child, 'message')
  child.send('report')
  return (await answer)[0].report
}

/** One connection that does what chance has chosen. */
async function visit(port: number): Promise<void> {
  const name = names[numbers.below(names.length)] as string
  const client = await connectSoak(port)
  const isComplete = await (BEHAVIOURS[name] as (typeof BEHAVIOURS)[string])(client, numbers)
  wrong += client.wrong()
  if (client.wrong() > 0) failures.push(`${name}: ${client.wrong()} wrong bytes`)
  if (!isComplete) failures.push(`${name}: not all of the answer came`)
}

/** Lets a held connection say something, and get it back. */
async function talk({ socket, expect, received }: SoakClient): Promise<void> {
  const sent = someLines(numbers, 3)
  expect(sent)
  socket.write(sent)
  if (!(await received())) failures.push('a held connection was lost')
}

/** Lets one held connection after the other talk, each about once in twenty seconds. */
async function converse(held: readonly SoakClient[], signal: AbortSignal): Promise<void> {
  for (let index = 0; !signal.aborted; index = (index + 1) % held.length) {
    await talk(held[index] as SoakClient)
    await delay(20)
  }
}

function start(visiting: Promise<void>): void {
  const done: Promise<void> = visiting.finally(() => running.delete(done))
  running.add(done)
}

const { child, port } = await startServer()
const base = await ask(child)
const held = await Promise.all(Array.from({ length: heldCount }, () => connectSoak(port)))
// What a connection makes when it is first used is made now.
await Promise.all(held.map(talk))
const over = new AbortController()
const conversation = converse(held, over.signal)
const began = performance.now()
const passed = () => (performance.now() - began) / 1e3
const samples: Sample[] = []
const warmUp = Math.min(120, seconds / 2)
/** What is held while nobody visits: under way there is more, and how much is chance. */
async function atRest(): Promise<Sample> {
  await Promise.all(running)
  for (;;) {
    const { heap, connections } = await ask(child)
    if (connections <= heldCount) return { time: passed(), value: heap }
    await delay(100)
  }
}
let afterWarmUp: Sample | undefined
/** For how long nobody came: they do not come all at once afterwards. */
let paused = 0
const interval = Math.max(1, seconds / 60)
let visits = 0
let next = interval
while (passed() < seconds) {
  if (afterWarmUp === undefined && passed() > warmUp) {
    const before = passed()
    afterWarmUp = await atRest()
    paused = passed() - before
  }
  for (; visits < (passed() - paused) * NEW_PER_SECOND; visits++) start(visit(port))
  if (passed() > next) {
    const { heap, rss, connections } = await ask(child)
    if (passed() > warmUp) samples.push({ time: passed(), value: heap })
    console.log(
      `${passed().toFixed(0).padStart(5)} s  heap ${(heap / MIB).toFixed(2)} MiB  rss ${(rss / MIB).toFixed(1)} MiB  ` +
        `${connections} connections  ${failures.length} failures`,
    )
    next += interval
  }
  await delay(20)
}

const atEnd = await atRest()
over.abort()
await conversation
wrong += held.reduce((sum, client) => sum + client.wrong(), 0)
for (const { socket } of held) socket.end()
await Promise.all(held.map(client => client.closed))
let last = await ask(child)
for (let tries = 0; tries < 100 && last.connections > 0; tries++) {
  await delay(100)
  last = await ask(child)
}
child.send('close')
await once(child, 'exit')

const { perSecond, error } = slope(samples)
const perTen = (value: number) => `${((value * TEN_MINUTES) / MIB).toFixed(2)} MiB`
const { time, value } = afterWarmUp as Sample
const grown = atEnd.value - value
const minutes = (atEnd.time - time) / 60
const verdicts: [string, boolean][] = [
  [
    `memory: at rest ${(grown / MIB).toFixed(2)} MiB more after ${minutes.toFixed(1)} minutes; ` +
      `under way ${perTen(perSecond)} ± ${perTen(2 * error)} in ten`,
    // In less than a minute it is chance how much of the caches is full.
    seconds < 60 || grown <= GROWTH * Math.max(1, minutes / 10),
  ],
  [`descriptors: ${last.sockets - base.sockets} left`, last.sockets === base.sockets],
  [`connections: ${last.opened} opened, ${last.closed} closed`, last.opened === last.closed],
  [`wrong bytes: ${wrong}`, wrong === 0],
  [`failures: ${failures.length}`, failures.length === 0],
]
console.log(`\nseed ${seed}, ${heldCount} held, ${visits} visits; outcomes ${JSON.stringify(last.outcomes)}`)
for (const failure of new Set(failures)) console.log(`  ${failure}`)
for (const [text, isGood] of verdicts) console.log(`${isGood ? 'ok    ' : 'FAILED'}  ${text}`)
process.exitCode = verdicts.every(([, isGood]) => isGood) ? 0 : 1
