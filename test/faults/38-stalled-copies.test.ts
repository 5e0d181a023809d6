import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { serveCommand, startCommand } from '../cli/start-command.js'
import { makeFifo, NO_FIFO, openReader } from '../fifo.js'
import { connectTcp, exchange } from '../tcp-client.js'

for (const isRead of [false, true]) {
  t.test(
    `38: tee into a FIFO ${isRead ? 'whose reader stalls' : 'that nobody reads'}`,
    { skip: NO_FIFO },
    async t => {
      const fifo = makeFifo(t)
      if (isRead) openReader(t, fifo)
      const file = join(t.testdir(), 'bywash.yaml')
      writeFileSync(
        file,
        `listeners:
  - name: copied
    listen: { host: 127.0.0.1, port: 0, shutdownTimeout: 1s }
    pipeline: [tee: { to: ${fifo} }]
  - name: packed
    listen: { host: 127.0.0.1, port: 0 }
    pipeline: [gzip]
`,
      )
      const { child, exited, log, logged } = startCommand(t, ['serve', file])
      const portOf = async (name: string) =>
        Number((await logged(new RegExp(`${name}: .*127\\.0\\.0\\.1:(\\d+)`)))[1])
      const [copied, packed] = [await portOf('copied'), await portOf('packed')]
      const text = 'x'.repeat(50_000)
      const clients = await Promise.all(Array.from({ length: 6 }, () => connectTcp(t, copied)))
      for (const client of clients) {
        const [answer] = await Promise.all([client.receive(text.length), client.send(text)])
        t.equal(answer.length, text.length, 'the stream itself goes on')
      }
      t.ok((await exchange(t, packed, ['x'])).length > 10, 'and others have the thread pool')
      child.kill('SIGTERM')
      for (const client of clients) client.end()
      t.strictSame(await exited, [0, null])
      const losses = [...log().matchAll(/^\[copied #(\d+)\] fault: .* missing in the copy \(.*fifo\)\.$/gm)]
      t.ok(losses.length >= (isRead ? 4 : 6), 'what is missing is said')
      t.equal(new Set(losses.map(([, id]) => id)).size, losses.length, 'once a connection')
    },
  )
}

/** Places that cannot be written to, with the error. */
const PLACES = [
  ['/nonexistent/copy', 'ENOENT'],
  ...(existsSync('/dev/full') ? [['/dev/full', 'ENOSPC']] : []),
] as const

for (const [place = '', code = ''] of PLACES) {
  t.test(`38: tee to ${place}`, async t => {
    const input = join(t.testdir({ input: 'abc\n' }), 'input')
    const run = async (policy: string) => {
      const text = `tee --to ${place} --on-error ${policy}`
      const { exited, log, printed } = startCommand(t, ['pipe', text, '--in', input])
      const [exitCode] = await exited
      return { exitCode, log: log(), printed: printed() }
    }
    const said = new RegExp(`^Stage 'tee' could not write to its sink: ${code}: [^\\n]*\\n$`)
    t.match(await run('fail'), { exitCode: 1, log: said, printed: 'abc\n' })
    const dropped = await run('drop')
    t.match(dropped, { exitCode: 0, log: said, printed: 'abc\n' })
    t.match(dropped.log, /\. 1 item is missing in the copy \([^)]+\)\.\n$/)
    const { child, exited, log, port } = await serveCommand(t, 'run', `lines | tee --to ${place} | to-lines`)
    t.equal(String(await exchange(t, port, ['a\nb\nc\n'])), 'a\nb\nc\n')
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null])
    t.match(log(), new RegExp(`^\\[conn #1\\] fault: .*${code}.* 3 items are missing in the copy`, 'm'))
    t.equal(log().match(/fault/g)?.length, 1, 'once')
  })
}
