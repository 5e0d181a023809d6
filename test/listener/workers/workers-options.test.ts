import { availableParallelism } from 'node:os'
import t from 'tap'
import { workersSettings } from '../../../lib/listener/workers/workers-options.js'

const PORT = { host: '127.0.0.1', port: 0, backlog: 1 }
const NEW = { node: '24.1.0', platform: 'linux' }

t.test('workers are a number, or an object with their number and who spreads the connections', async t => {
  t.equal(workersSettings(undefined, PORT), undefined)
  t.strictSame(workersSettings(3, PORT), { count: 3, spread: 'primary' })
  t.strictSame(workersSettings({ count: 3 }, PORT), { count: 3, spread: 'primary' })
  const fromEnvironment = { count: '3' } as object as { count: number }
  t.strictSame(workersSettings(fromEnvironment, PORT), { count: 3, spread: 'primary' })
  const all = { count: availableParallelism(), spread: 'kernel' }
  t.strictSame(workersSettings({ count: 'auto', spread: 'kernel' }, PORT, NEW), all)
  const limited = { count: 2, spread: 'kernel', maxHeapSize: 536_870_912 } as const
  t.strictSame(workersSettings(limited, PORT, NEW), limited)
  for (const [given, message] of [
    [{ count: 0 }, /listen\(\): workers: 'count' is a whole number, from 1 to 1024, or 'auto'; got 0/],
    [{ spread: 'kernel' }, /listen\(\): workers: 'count' is a whole number/],
    [{ count: 1, spread: 'both' }, /listen\(\): workers: 'spread' is one of "primary", "kernel"; got "both"/],
    [{ count: 1, size: 1 }, /no option 'size'/],
    [{ count: 1, maxHeapSize: 1_048_576 }, /'maxHeapSize' is a whole number, from 16777216 to/],
    [
      { count: 1, maxHeapSize: 67_108_864 },
      /'spread' is 'primary', which has processes: give 'spread' 'kernel', or start Node with --max-old-space-size/,
    ],
  ] as const) {
    t.throws(() => workersSettings(given as never, PORT), { message })
  }
})

t.test('where the kernel cannot spread connections, the error says what to do', async t => {
  const refusal = (address: Parameters<typeof workersSettings>[1], node: string, platform = 'linux') => {
    try {
      workersSettings({ count: 1, spread: 'kernel' }, address, { node, platform })
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(
    refusal(PORT, '20.20.2'),
    "listen(): 'spread' is 'kernel', which Node can do from 22.12 on, and this is 20.20.2: upgrade Node; or leave 'spread' " +
      'out, and the primary spreads the connections.',
  )
  for (const node of ['22.11.9', '23.0.0']) t.match(refusal(PORT, node), /upgrade Node/)
  for (const node of ['22.12.0', '23.1.0', '26.0.0']) t.equal(refusal(PORT, node), undefined)
  t.match(refusal(PORT, '24.0.0', 'win32'), /this system \(win32\) cannot do: run it on Linux/)
  t.match(refusal({ path: '/run/x', mode: undefined, backlog: 1 }, '24.0.0'), /give 'port'/)
  t.match(refusal({ fd: 3, backlog: 1 }, '24.0.0'), /give 'port'/)
})
