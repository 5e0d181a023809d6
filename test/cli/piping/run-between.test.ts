import { once } from 'node:events'
import { PassThrough, Writable } from 'node:stream'
import t from 'tap'
import { runBetween } from '../../../lib/cli/piping/run-between.js'
import { lines, pipeline, take, toLines, toStream, uppercase } from '../../../lib/index.js'

const shout = pipeline().through(lines()).through(uppercase()).through(toLines())
const GOOD = { error: undefined, failure: undefined }

t.test('carries what is read to what is written', async t => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const run = runBetween(toStream(shout), { input, output, keepsOutput: false })
  input.end('one\ntwo')
  t.equal((await output.toArray()).join(''), 'ONE\nTWO\n')
  t.strictSame(await run, GOOD)
  t.ok(input.destroyed)
})

t.test('keeps an output that is not its own', async t => {
  const [input, output] = [new PassThrough(), new PassThrough({ encoding: 'utf8' })]
  const run = runBetween(toStream(shout), { input, output, keepsOutput: true })
  input.end('one')
  t.strictSame(await run, GOOD)
  t.equal(output.read(), 'ONE\n')
  t.notOk(output.writableEnded)
})

t.test('does not wait for an input that no stage reads any more', async t => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const run = runBetween(toStream(pipeline().through(lines()).through(take(1)).through(toLines())), {
    input,
    output,
    keepsOutput: false,
  })
  input.write('one\ntwo\n')
  t.equal((await output.toArray()).join(''), 'one\n')
  t.strictSame(await run, GOOD)
  t.ok(input.destroyed)
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
  const run = runBetween(toStream(pipeline()), { input, output, keepsOutput: false })
  // The first fills the output, the second what is between, and the third waits.
  for (const byte of [1, 2, 3]) input.write(Buffer.alloc(100_000, byte))
  await once(input, 'pause')
  t.strictSame(taken, ['1'])
  go()
  await once(input, 'resume')
  input.end()
  t.strictSame(await run, GOOD)
  t.strictSame(taken, ['1', '2', '3'])
})

t.test('says which end has failed, and how', async t => {
  for (const side of ['input', 'output'] as const) {
    for (const keepsOutput of [false, true]) {
      const ends = { input: new PassThrough(), output: new PassThrough() }
      const run = runBetween(toStream(pipeline()), { ...ends, keepsOutput })
      const error = new Error('broken')
      ends[side].destroy(error)
      t.strictSame(await run, { error, failure: { side, error } })
      t.ok(ends.input.destroyed)
    }
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
  const run = runBetween(toStream(pipeline()), { input, output, keepsOutput: false })
  input.end('x')
  t.strictSame(await run, { error: cause, failure: { side: 'output', error: cause } })
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
  let isOver = false
  const run = runBetween(toStream(pipeline()), { input, output, keepsOutput: false }).then(result => {
    isOver = true
    return result
  })
  input.write('one')
  while (taken.length === 0) await new Promise(setImmediate)
  input.write('two')
  while (output.writableLength < 6) await new Promise(setImmediate)
  const error = new Error('broken')
  input.destroy(error)
  for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate)
  t.notOk(isOver)
  write()
  while (taken.length < 2) await new Promise(setImmediate)
  write()
  t.strictSame(await run, { error, failure: { side: 'input', error } })
  t.strictSame(taken, ['one', 'two'])
  t.ok(output.writableFinished)
})

t.test('a stage that fails is the error, behind the output from before it', async t => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const run = runBetween(
    toStream(
      pipeline()
        .through(lines({ maxLength: 4 }))
        .through(toLines()),
    ),
    {
      input,
      output,
      keepsOutput: false,
    },
  )
  input.write('one\ntoo long\n')
  t.equal((await output.toArray()).join(''), 'one\n')
  t.match(await run, { error: { code: 'ERR_BYWASH_FRAME_TOO_LONG' }, failure: undefined })
})

t.test('is over when its output is closed', async t => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const run = runBetween(toStream(pipeline()), { input, output, keepsOutput: false })
  output.destroy()
  t.strictSame(await run, GOOD)
  t.ok(input.destroyed, 'what the input might still say is not waited for')
})
