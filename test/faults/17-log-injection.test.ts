import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { serveCommand } from '../cli/start-command.js'
import { connectTcp } from '../tcp-client.js'

/** What a client may send so that a terminal, a person or a program takes it for something else. */
const ATTACKS = [
  '\x1b[2J\x1b]0;owned\x07\x1b[31m',
  '\u009b31m\u0090',
  'one\r\n[conn #1] closed: end, 127.0.0.1:1, 0 bytes in, 0 bytes out, 0 ms',
  '"}\n{"level":"error","event":"closed","id":1,"reason":"stage-error"}',
  '\u202eevil\u2066\u200b\u2028\u2029\ufeff',
  '\x7f\b\0\t\\n%s%d%j',
  'x'.repeat(10_000),
]

for (const format of ['text', 'json'] as const) {
  t.test(`17: terminal escapes and forged lines that reach a ${format} log`, async t => {
    const { child, exited, log, logged, openSockets, port } = await serveCommand(
      t,
      'run',
      'repeating',
      ...['--import', 'test/faults/repeating.js', '--log', format, '--uncaught', 'isolate'],
    )
    const before = openSockets()
    const bystander = await connectTcp(t, port)
    const isWell = async () => {
      await bystander.send('.')
      t.equal((await bystander.receive(1)).toString(), '.', 'the bystander keeps a correct echo')
    }
    await isWell()
    for (const attack of ATTACKS) {
      // What nobody catches is logged, too.
      for (const sent of [attack, `!${attack}`]) {
        const client = await connectTcp(t, port)
        client.end(sent)
        t.equal((await client.receive()).toString(), '')
        await isWell()
      }
    }
    await logged(/uncaught: Error: !.*\n/, ATTACKS.length)
    bystander.end()
    await bystander.receive()
    await logged(format === 'text' ? /\[conn #1\] closed: end/ : /"closed","id":1,[^}]*"reason":"end"/)
    // The log is ahead of the system.
    while (openSockets() > before) await setImmediate()
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null])

    const lines = log().split('\n').slice(0, -1)
    // Two at the start, two for each connection, and one for each uncaught error.
    t.equal(lines.length, 2 + 2 * (2 * ATTACKS.length + 1) + ATTACKS.length)
    for (const line of lines) t.match(line, /^[ -~]+$/)
    if (format === 'json') {
      const entries = lines.map(line => JSON.parse(line))
      const told = entries.filter(({ reason }) => reason === 'stage-error').map(({ msg }) => msg)
      t.strictSame(
        told,
        ATTACKS.map(attack => `Stage 'repeating' failed in transform: ${attack}`),
      )
    } else {
      for (const index of ATTACKS.keys()) {
        const own = lines.filter(line => line.startsWith(`[conn #${2 * index + 2}] `))
        t.match(own, [/ opened: /, / closed: stage-error, /])
        t.equal(own.length, 2)
      }
    }
  })
}
