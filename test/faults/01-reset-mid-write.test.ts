import t from 'tap'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

t.test('1: client RST in mid-write (1 MiB sent, 1 KiB read)', t =>
  underFault(t, { pipeline: 'echo', reasons: { 'client-reset': 10 } }, async ({ client }) => {
    for (let times = 0; times < 10; times++) {
      const { send, receive, reset, closed } = await client()
      void send(Buffer.alloc(MIB, 'x'))
      t.equal((await receive(1024)).toString(), 'x'.repeat(1024))
      reset()
      await closed
    }
  }),
)
