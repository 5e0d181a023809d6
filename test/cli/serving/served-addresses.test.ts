import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ListenerSet } from '../../../lib/cli/serving/listener-set.js'
import { readConfiguration } from '../../../lib/config/file/configuration.js'
import { socketFolder } from '../../socket-folder.js'
import { clientOf } from '../../tcp-client.js'
import { install } from '../../transports/certificates.js'
import { connectTls } from '../../transports/tls-client.js'
import { runCommand } from '../run-command.js'

/** A folder with a short path, and the listeners of a file in it. */
function start(t: Test) {
  const folder = socketFolder(t)
  const set = new ListenerSet(() => ({}))
  t.teardown(() => set.close({ timeout: 0 }))
  return {
    folder,
    async apply(listen: string, pipeline = 'echo') {
      const { configuration, problems } = await readConfiguration(
        `listeners: [{ name: a, listen: { ${listen} }, pipeline: ${pipeline} }]`,
        { environment: {}, folder, readsCertificates: true },
      )
      if (configuration === undefined) throw new Error(JSON.stringify(problems))
      return set.apply(configuration.listeners, '')
    },
  }
}

async function exchange(t: Test, path: string): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const client = clientOf(socket)
  client.end('Hi\n')
  return (await client.receive()).toString()
}

t.test('a reload renews certificates, and open connections keep theirs', async t => {
  const { apply, folder } = start(t)
  const listen = 'host: 127.0.0.1, port: 0, tls: { cert: ./cert.pem, key: key.pem }'
  install(folder, 'server')
  const [line] = await apply(listen)
  const port = Number(/:(\d+)$/.exec(line ?? '')?.[1])
  const open = await connectTls(t, port)
  t.strictSame(await apply(listen), [], 'the same certificate is no change')
  install(folder, 'renewed')
  t.strictSame(await apply(listen), ['a: new options; 1 open connection finishes with the old ones'])
  t.equal((await connectTls(t, port)).socket.getPeerCertificate().subject.CN, 'renewed')
  await open.send('still')
  t.equal((await open.receive(5)).toString(), 'still')
})

t.test('a unix socket gets new options, a new mode and another place', async t => {
  const { folder, apply } = start(t)
  t.strictSame(await apply('path: s'), [`a: listening on ${folder}/s`])
  t.strictSame(await apply('path: s, maxConnections: 5'), [
    'a: new options; 0 open connections finish with the old ones',
  ])
  t.equal(await exchange(t, `${folder}/s`), 'Hi\n')
  t.strictSame(await apply('path: s, mode: "600"'), [
    `a: bound anew on ${folder}/s; 0 open connections finish on the old one`,
  ])
  t.equal(await exchange(t, `${folder}/s`), 'Hi\n')
  t.strictSame(await apply('path: t'), [
    `a: moved from ${folder}/s to ${folder}/t; 0 open connections finish on the old one`,
  ])
  t.equal(existsSync(`${folder}/s`), false)
  t.equal(await exchange(t, `${folder}/t`), 'Hi\n')
})

t.test('check reads certificates, and says where one is wrong', async t => {
  const file =
    'listeners:\n  - name: a\n    listen:\n      tls: { cert: none.pem, key: key.pem }\n    pipeline: echo\n'
  const path = `${t.testdir({ 'bywash.yaml': file })}/bywash.yaml`
  const { exitCode, printed } = await runCommand(['check', path])
  t.equal(printed, `${path}:4:12: tls: 'cert': there is no file none.pem.\n`)
  t.not(exitCode, 0)
  t.equal((await runCommand(['test', path])).exitCode, 0, 'who tests a pipeline needs none')
})
