import type { Endpoints } from '../../connection.js'
import type { AnyStage } from '../../stage.js'
import { copyOf } from '../copy.js'
import type { Subject } from '../subject.js'
import type { Breach, Law } from './law.js'

async function checkLazy(subject: Subject): Promise<Breach | undefined> {
  if (!subject.stages.every(({ lazy }) => lazy)) return undefined
  const { trial, clock } = await subject.open()
  const timers = clock.pending
  await trial.end()
  trial.close()
  if (trial.output.length > 0) return { input: [], actual: trial.output }
  if (timers === 0) return undefined
  return { detail: 'It started a timer of connection.clock before the first item.' }
}

const ADDRESSES = ['remoteAddress', 'remotePort', 'localAddress', 'localPort'] as const

async function checkAsks(subject: Subject): Promise<Breach | undefined> {
  const { stages, sample, settings } = subject
  if (stages.some(({ asks }) => asks !== false)) return undefined
  const read = new Set<string>()
  const endpoints: Endpoints = { ...settings.endpoints }
  for (const name of ADDRESSES) {
    const { [name]: address } = endpoints
    Object.defineProperty(endpoints, name, { get: () => read.add(name) && address })
  }
  const { trial } = await subject.open({}, { endpoints })
  await trial.feed(sample.items.map(copyOf))
  await trial.end()
  const [name] = read
  // The engine itself reads the addresses when it closes a connection.
  trial.close()
  return name === undefined ? undefined : { detail: `It read connection.${name}.` }
}

async function checkGreeting(subject: Subject): Promise<Breach | undefined> {
  for (const each of subject.stages) {
    const breach = each.greeting && (await checkGreetingOf(each, each.greeting, subject))
    if (breach) return breach
  }
  return undefined
}

/** A connection that has sent nothing is given the greeting, and the stage is not opened for it. */
async function checkGreetingOf(
  greeter: AnyStage,
  greeting: Buffer,
  subject: Subject,
): Promise<Breach | undefined> {
  for (const input of [[], [Buffer.from('a'), Buffer.from('b')]]) {
    const { trial } = await subject.open({}, { stages: [greeter], kind: 'bytes' })
    await trial.feed(input.map(copyOf))
    await trial.end()
    trial.close()
    const expected = Buffer.concat([greeting, ...input])
    const actual = Buffer.concat(trial.output as Buffer[])
    if (!expected.equals(actual)) return { input, expected, actual }
  }
  return undefined
}

/** The laws about what a stage promises of itself; without the promise it obeys in any case. */
export const PROMISE_LAWS: readonly Law[] = [
  { name: 'lazy', says: 'a stage that says so makes nothing without an item', check: checkLazy },
  { name: 'asks', says: "a stage that says 'asks: false' reads no address", check: checkAsks },
  {
    name: 'greeting',
    says: 'a stage gives the greeting that it says, and passes on the rest',
    check: checkGreeting,
  },
]
