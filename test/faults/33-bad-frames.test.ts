import t from 'tap'
import { serveCommand } from '../cli/start-command.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import { connectTcp } from '../tcp-client.js'
import { underFault } from './oracle.js'

const CLIENTS = RUNS_ALL ? 10 : 3
/** Each line is a bad frame, and the shortest that can be. */
const FLOOD = 'x\n'.repeat(32_768)
const FRAMES = (CLIENTS * FLOOD.length) / 2

for (const plan of PLANS) {
  for (const pipeline of ['reporting', 'ignoring'] as const) {
    t.test(`33: a flood of bad frames from ${CLIENTS} clients (${pipeline}, ${plan})`, t =>
      underFault(
        t,
        { pipeline, options: { plan }, reasons: { end: CLIENTS } },
        async ({ bystander, client, ended, faults }) => {
          for (let count = 0; count < CLIENTS; count++) (await client()).end(FLOOD)
          await bystander.rounds(10)
          await ended(CLIENTS)
          const told = pipeline === 'reporting' ? 11 * CLIENTS : 0
          t.equal((await faults(told)).length, told, 'time stands still: ten of each, and how many more')
        },
      ),
    )
  }
}

for (const format of ['text', 'json'] as const) {
  t.test(`33: a ${format} log of bad frames is short, and counts them all`, async t => {
    const { child, exited, log, logged, port } = await serveCommand(
      t,
      'run',
      'lines | json-lines --invalid report | to-json-lines | to-lines',
      ...['--log', format],
    )
    const bystander = await connectTcp(t, port)
    for (let count = 0; count < CLIENTS; count++) {
      const client = await connectTcp(t, port)
      client.end(FLOOD)
      await bystander.send('{}\n')
      t.equal((await bystander.receive('\n')).toString(), '{}\n')
      t.equal((await client.receive()).length, 0)
    }
    await logged(format === 'text' ? /\] closed: end/ : /"reason":"end"/, CLIENTS)
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null])
    const faults = log()
      .split('\n')
      .filter(line => line.includes('fault'))
    const others = faults.map(line => Number(/(\d+) more faults? /.exec(line)?.[1] ?? 0))
    const sum = others.reduce((sum, count) => sum + (count || 1), 0)
    t.equal(sum, FRAMES)
    t.ok(faults.length < FRAMES / 100, `${faults.length} lines of ${FRAMES} faults`)
  })
}
