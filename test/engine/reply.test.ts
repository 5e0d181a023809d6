import t from 'tap'
import {
  asyncMap,
  type Controller,
  lines,
  map,
  pipeline,
  type Stage,
  stage,
  toLines,
  toStream,
  uppercase,
} from '../../lib/index.js'
import { checkStage, chunkings, connect, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'

/** How many lines a client sends that does not read; plan `streams` takes ten seconds for a million. */
const PINGS = RUNS_ALL ? 200_000 : 60_000

/** Passes lines, and replies to `ping` past the later stages. */
function ponging(own: (controller: Controller<string>) => void = () => {}): Stage<string, string> {
  return stage<string, string>({
    name: 'ponging',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      start: own,
      transform: (line, controller) => {
        if (line === 'ping') controller.reply(new Uint8Array(Buffer.from('-pong-')))
        else if (line === 'stop') {
          controller.terminate()
          controller.reply(Buffer.from('late'))
        } else if (line === 'half') {
          controller.endOutput()
          controller.reply(Buffer.from('late'))
        } else if (line === 'bad') controller.reply('text' as never)
        else controller.enqueue(line)
      },
    }),
  })
}

const soon = () => new Promise(resolve => setImmediate(resolve))

for (const plan of PLANS) {
  t.test(
    `${plan}: a reply passes the later stages, behind what they make of the items before it`,
    async t => {
      for (const later of [
        uppercase(),
        map('slow', async (line: string) => {
          await soon()
          return line.toUpperCase()
        }),
        asyncMap('several', async (line: string) => {
          await soon()
          return line.toUpperCase()
        }),
      ]) {
        const list = pipeline().through(lines()).through(ponging()).through(later).through(toLines())
        for (const chunks of chunkings(Buffer.from('a\nping\nb\nc\nping\nping\nd\n'))) {
          const client = connect(list, { plan })
          for (const chunk of chunks) client.send(chunk)
          client.end()
          t.equal(String(await client.receive()), 'A\n-pong-B\nC\n-pong--pong-D\n')
          const { reason, bytesWritten } = await client.outcome
          t.strictSame([reason, bytesWritten], ['end', 26])
        }
      }
    },
  )

  t.test(
    `${plan}: a reply may come from outside of a call, and is dropped once the output has ended`,
    async t => {
      let own: Controller<string> | undefined
      const list = pipeline()
        .through(lines())
        .through(
          ponging(controller => {
            own = controller
          }),
        )
        .through(toLines())
      const client = connect(list, { plan, maxPending: 10_000 })
      client.send('a\n')
      await client.receive('a\n')
      own?.reply(Buffer.from('now'))
      t.equal(String(await client.receive('now')), 'now')
      client.send('half\n')
      t.equal(String(await client.receive()), '')
      client.end()
      t.equal((await client.outcome).reason, 'end')
      own?.reply(Buffer.from('late'))

      const slow = connect(list, { plan, maxPending: 10_000 })
      slow.send('a\n')
      await slow.receive('a\n')
      await slow.stalled()
      for (let count = 0; count < 100; count++) own?.reply(Buffer.alloc(1000))
      await soon()
      await slow.receive()
      slow.end()
      t.equal((await slow.outcome).reason, 'slow-consumer')
    },
  )

  t.test(`${plan}: a client that does not read what is replied is not read from`, async t => {
    const client = connect(pipeline().through(lines()).through(ponging()).through(toLines()), { plan })
    for (let sent = 0; sent < PINGS; sent += 2_000) client.send('ping\n'.repeat(2_000))
    const { waiting } = await client.stalled()
    t.ok(waiting > (5 * PINGS) / 2)
    client.end()
    t.equal((await client.receive()).length, 6 * PINGS)
  })

  t.test(`${plan}: what is wrong with a reply fails its stage`, async t => {
    const list = pipeline().through(lines()).through(ponging()).through(toLines())
    for (const [line, message] of [
      ['bad', "Stage 'ponging' called reply() with what is no Uint8Array."],
      ['stop', "Stage 'ponging' enqueued after its end."],
    ]) {
      const client = connect(list, { plan })
      client.send(`a\n${line}\n`)
      t.equal(String(await client.receive()), 'a\n')
      client.end()
      t.equal((await client.outcome).error?.message, message)
    }
  })

  t.test(`${plan}: tests and streams get replies as bytes`, async t => {
    t.strictSame(await runStage(ponging(), ['a', 'ping', 'b'], { plan }), ['a', Buffer.from('-pong-'), 'b'])
    const list = pipeline().through(lines()).through(ponging()).through(toLines())
    const stream = toStream(list, { plan })
    stream.end('a\nping\nb\n')
    t.equal(Buffer.concat(await stream.toArray()).toString(), 'a\n-pong-b\n')
    const ofLines = toStream(ponging(), { plan })
    ofLines.end('ping')
    await t.rejects(ofLines.toArray(), {
      message: "Stage 'ponging' called reply() in a list that does not give bytes.",
    })
  })
}

t.test('a stage that replies keeps the laws', async () => {
  const list = pipeline().through(lines()).through(ponging()).through(uppercase()).through(toLines())
  await checkStage(list, [{ input: 'a\nping\nb\nping\nc', output: 'A\n-pong-B\n-pong-C\n' }])
})
