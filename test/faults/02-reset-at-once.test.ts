import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { underFault } from './oracle.js'

t.test('2: RST right after connect, 1,000 times', t =>
  underFault(t, { pipeline: 'lines' }, async ({ port, bystander, client, server }) => {
    for (let times = 0; times < 1000; times++) {
      const socket = connect({ host: '127.0.0.1', port })
      await once(socket, 'connect')
      socket.resetAndDestroy()
    }
    // Connections are accepted in order, so when this one is served all the others were accepted.
    const last = await client()
    await last.send('last\n')
    t.equal((await last.receive('\n')).toString(), 'last\n')
    await bystander.rounds(2)
    const { opened } = await server.report()
    t.ok(opened >= 2 && opened <= 1002, `${opened} were opened`)
  }),
)
