import fc from 'fast-check'
import t from 'tap'
import { Connection, counter, lines, pipeline, toLines, uppercase, welcome } from '../../lib/index.js'
import { chunkings, connect, runStage } from '../../lib/testing/index.js'
import { ANY_CHARACTER } from '../any-character.js'
import { PLANS } from '../plans.js'

const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }

for (const plan of PLANS) {
  t.test(`${plan}: toLines puts a delimiter after each line`, async t => {
    t.equal(Buffer.concat(await runStage(toLines(), ['é', '', 'b'], { plan })).toString(), 'é\n\nb\n')
    const crlf = toLines({ delimiter: '\r\n', encoding: 'latin1' })
    t.equal(Buffer.concat(await runStage(crlf, ['é', 'b'], { plan })).toString('latin1'), 'é\r\nb\r\n')
    t.strictSame(await runStage(toLines(), [], { plan }), [])
  })

  t.test(`${plan}: uppercase changes a to z only, and no length`, async () => {
    const asciiOnly = (line: string) => line.replace(/[a-z]/g, letter => letter.toUpperCase())
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: ANY_CHARACTER })), async lines => {
        const upper = await runStage(uppercase(), lines, { plan })
        return JSON.stringify(upper) === JSON.stringify(lines.map(asciiOnly))
      }),
    )
  })

  t.test(`${plan}: welcome comes first, whatever is sent and however it is cut`, async t => {
    for (const chunks of chunkings('hello', { random: 2 })) {
      const output = Buffer.concat(await runStage(welcome('Hi\n'), chunks, { plan }))
      t.equal(output.toString(), 'Hi\nhello')
    }
  })

  t.test(`${plan}: counter numbers connections, and passes every kind on`, async t => {
    const log: string[] = []
    const count = counter<string>({
      onOpen: ({ number, total }, { id }) => log.push(`open ${number} of ${total} (id ${id})`),
      onClose: ({ number, total }) => log.push(`close ${number} of ${total}`),
    })
    const connection = new Connection(7)
    t.strictSame(await runStage(count, ['a', 'b'], { plan, connection }), ['a', 'b'])
    t.strictSame(await runStage(count, [{ a: 1 } as never], { plan }), [{ a: 1 }])
    t.strictSame(await runStage(counter(), [Buffer.from('a')], { plan }), [Buffer.from('a')])
    t.strictSame(log, ['open 1 of 1 (id 7)', 'close 1 of 1', 'open 2 of 2 (id 1)', 'close 2 of 2'])
  })
}

t.test('welcome keeps a copy of its bytes', async t => {
  const text = Buffer.from('Hi')
  const stage = welcome(text)
  text.fill(0)
  t.strictSame(await runStage(stage, []), [Buffer.from('Hi')])
})

t.test('options are checked at once', async t => {
  t.throws(() => welcome(1 as never), { ...invalid, message: /string or a Buffer; got number/ })
  t.throws(() => toLines({ delimiter: '\r' as never }), { ...invalid, message: /toLines\(\): 'delimiter'/ })
  t.throws(() => toLines({ delimeter: '\n' } as object), { ...invalid, message: /no option 'delimeter'/ })
  t.throws(() => counter({ onOpen: 1 as never }), { ...invalid, message: /'onOpen' is a function; got 1/ })
  t.throws(() => counter({ onclose: () => {} } as object), { ...invalid, message: /no option 'onclose'/ })
})

t.test('the lines of one read leave in one write', async t => {
  const writes: number[] = []
  const seen = pipeline().through(lines()).through(counter<string>()).through(toLines()).through(counter())
  const client = connect(seen, {
    onError: error => t.fail(error.message),
  })
  client.send('a\nb\nc\nd')
  writes.push((await client.receive(6)).length)
  client.end()
  t.equal((await client.receive()).toString(), 'd\n')
  t.strictSame(writes, [6])
})
