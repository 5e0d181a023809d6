import { spawnSync } from 'node:child_process'
import t from 'tap'
import { underFault } from './oracle.js'

const skip = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed'

t.test('21: EMFILE (`prlimit --nofile=64`)', { skip }, t =>
  underFault(t, { pipeline: 'lines', apart: true, openFiles: 64 }, async ({ client, ended, server }) => {
    const clients = await Promise.all(Array.from({ length: 100 }, client))
    const said = clients.map(async ({ send, receive }) => {
      await send('hello\n')
      return String(await receive('\n').catch(() => ''))
    })
    const answers = await Promise.all(said)
    const live = clients.filter((_, index) => answers[index] === 'hello\n')
    t.equal(live.length, 31, 'half of the files, without that of the bystander')
    const told = answers.filter(answer => answer === 'error: too many connections\n')
    t.ok(told.length > 0, `${told.length} were told, before even that took a descriptor too many`)
    for (const { send, receive } of live) {
      await send('still\n')
      t.equal(String(await receive('\n')), 'still\n')
    }
    for (const { end } of clients) end()
    // Descriptors are free again; before, it could not even tell of itself.
    await ended(live.length + told.length)
    await ended(live.length + (await server.report()).refused)

    const later = await client()
    await later.send('again\n')
    t.equal(String(await later.receive('\n')), 'again\n', 'it recovers')
  }),
)
