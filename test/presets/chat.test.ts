import t from 'tap'
import { chat } from '../../lib/presets/index.js'
import { connect } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'

const HELP = '/nick NAME changes your name, /who lists who is here, /quit leaves.'

for (const plan of PLANS) {
  t.test(`${plan}: a chat, word by word`, async t => {
    const room = chat.pipeline({ history: 2 })
    const ann = connect(room, { plan })
    t.equal(String(await ann.receive('\n')), `* Welcome, guest-1. ${HELP}\n`)
    ann.send('/nick Ännchen\n')
    t.equal(String(await ann.receive('\n')), '* You are Ännchen now.\n')

    const bob = connect(room, { plan })
    t.equal(
      String(await bob.receive('now\n')),
      `* Welcome, guest-2. ${HELP}\n* guest-1 has joined\n* guest-1 is Ännchen now\n`,
      'the last two lines come first',
    )
    t.equal(String(await ann.receive('\n')), '* guest-2 has joined\n')
    bob.send('/nick Ännchen\n/nick no spaces\n/nick \n/who\n/what\n\n')
    t.equal(
      String(await bob.receive('/quit leaves.\n')),
      '* Ännchen is taken.\n' +
        '* A name has 1 to 20 letters, digits, - or _.\n'.repeat(2) +
        '* Here are: Ännchen, guest-2\n' +
        `* There is no /what. ${HELP}\n`,
    )
    bob.send('Hello \u001b[31mthere\r\n')
    t.equal(String(await ann.receive('\n')), '<guest-2> Hello [31mthere\n', 'nothing that a terminal obeys')
    bob.send('/quit\n')
    t.match(await bob.receive(), Buffer.alloc(0))
    bob.end()
    t.match(await bob.outcome, { reason: 'terminated' })
    t.equal(String(await ann.receive('\n')), '* guest-2 has left\n')
    ann.reset()
    await ann.outcome

    const cat = connect(room, { plan })
    t.equal(
      String(await cat.receive('left\n* Ännchen has left\n')),
      `* Welcome, guest-3. ${HELP}\n* guest-2 has left\n* Ännchen has left\n`,
    )
    cat.send(`/nick guest-4\n`)
    await cat.receive('now.\n')
    const dan = connect(room, { plan })
    t.match(String(await dan.receive('\n')), /Welcome, guest-4-\./)
    for (const client of [cat, dan]) {
      client.end()
      await client.outcome
    }
  })
}

t.test('who does not read is told how many lines were missed', async t => {
  const room = chat.pipeline()
  const [speaker, slow] = [connect(room), connect(room)]
  await slow.receive('leaves.\n')
  await slow.stalled()
  const lines = 2_000
  for (let line = 0; line < lines; line++) speaker.send(`${line} ${'x'.repeat(900)}\n`)
  await speaker.receive('has joined\n')
  speaker.send('last\n')
  const received = String(await slow.receive('> last\n'))
  const [, missed] = /^\[missed (\d+)\]$/m.exec(received) ?? []
  t.equal((received.match(/^<guest-1> \d+ /gm) ?? []).length + Number(missed), lines)
  for (const client of [speaker, slow]) {
    client.end()
    await client.outcome
  }
})
