import t from 'tap'
import { underFault } from './oracle.js'

t.test('22: N + 1 clients at maxConnections', t =>
  underFault(
    t,
    { pipeline: 'lines', options: { maxConnections: 4 }, reasons: { refused: 1, end: 4 } },
    async ({ client, ended, server }) => {
      const first = [await client(), await client(), await client()]
      const echo = async (line: string) => {
        for (const { send, receive } of first) {
          await send(line)
          t.equal((await receive('\n')).toString(), line)
        }
      }
      await echo('before\n')
      const refused = await client()
      t.equal((await refused.receive()).toString(), 'error: too many connections\n')
      refused.end()
      t.match(await ended(1), [{ reason: 'refused' }])
      t.equal((await server.report()).refused, 1)
      await echo('after\n')
      first.shift()?.end()
      await ended(2)
      first.push(await client())
      await echo('again\n')
    },
  ),
)
