import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import { CombinedDuplex } from '../../../lib/cli/piping/combined-duplex.js'
import { lines, pipeline, toLines, uppercase } from '../../../lib/index.js'

const shout = pipeline().through(lines()).through(uppercase()).through(toLines())

t.test('carries what is read to what is written, and counts it', async t => {
  const input = new PassThrough()
  const output = new PassThrough()
  const duplex = new CombinedDuplex(input, output)
  const handled = shout.handle(duplex)
  input.end('one\ntwo')
  t.equal((await output.toArray()).join(''), 'ONE\nTWO\n')
  t.match(await handled, { reason: 'end' })
  t.equal(duplex.bytesRead, 7)
  t.ok(input.destroyed)
})

t.test('keeps an output that is not its own', async t => {
  const input = new PassThrough()
  const output = new PassThrough({ encoding: 'utf8' })
  const handled = shout.handle(new CombinedDuplex(input, output, { keepsOutput: true }))
  input.end('one')
  t.match(await handled, { reason: 'end' })
  t.equal(output.read(), 'ONE\n')
  t.notOk(output.writableEnded)
})

t.test('reads no further than what is written has been taken', async t => {
  const input = new PassThrough()
  const taken: string[] = []
  let go = () => {}
  const isReady = new Promise<void>(resolve => {
    go = resolve
  })
  const output = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, callback) {
      taken.push(String(chunk[0]))
      isReady.then(() => callback())
    },
  })
  const handled = pipeline().handle(new CombinedDuplex(input, output))
  // The first fills the output, the second what is between, and the third waits.
  for (const byte of [1, 2, 3]) input.write(Buffer.alloc(100_000, byte))
  await once(input, 'pause')
  t.strictSame(taken, ['1'])
  go()
  await once(input, 'resume')
  input.end()
  t.match(await handled, { reason: 'end' })
  t.strictSame(taken, ['1', '2', '3'])
})

t.test('remembers which end has failed, and how', async t => {
  for (const side of ['input', 'output'] as const) {
    const both = { input: new PassThrough(), output: new PassThrough() }
    const duplex = new CombinedDuplex(both.input, both.output)
    const handled = pipeline().handle(duplex)
    const error = new Error('broken')
    both[side].destroy(error)
    t.match(await handled, { reason: 'client-reset', error })
    t.strictSame(duplex.failure, { side, error })
    t.ok(both.input.destroyed)
  }
})

t.test('an output that fails while it ends gives its own cause, and not that of the end', async t => {
  const input = new PassThrough()
  const cause = new Error('no space left')
  // As a file does, it takes a while to close behind its failure, and is destroyed meanwhile.
  const output = new Writable({
    write: (_chunk, _encoding, callback) => callback(cause),
    destroy: (error, callback) => void setImmediate(callback, error),
  })
  const duplex = new CombinedDuplex(input, output)
  const handled = pipeline().handle(duplex)
  input.end('x')
  t.match(await handled, { reason: 'client-reset', error: cause })
  t.strictSame(duplex.failure, { side: 'output', error: cause })
})

t.test('is not over before its output has written what it has taken, also when its input fails', async t => {
  const input = new PassThrough()
  const taken: string[] = []
  let write = () => {}
  const output = new Writable({
    write(chunk, _encoding, callback) {
      taken.push(String(chunk))
      write = callback
    },
  })
  const duplex = new CombinedDuplex(input, output)
  duplex.on('error', () => {})
  duplex.write('one')
  duplex.write('two')
  input.destroy(new Error('broken'))
  await new Promise(setImmediate)
  t.notOk(duplex.closed)
  write()
  await new Promise(setImmediate)
  write()
  while (!duplex.closed) await new Promise(setImmediate)
  t.strictSame(taken, ['one', 'two'])
  t.ok(output.writableFinished)
})

t.test('is over when its output is closed', async t => {
  const input = new PassThrough()
  const output = new PassThrough()
  const handled = pipeline().handle(new CombinedDuplex(input, output))
  output.destroy()
  t.match(await handled, { reason: 'client-reset', error: undefined })
  t.ok(input.destroyed, 'what the input might still say is not waited for')
})
