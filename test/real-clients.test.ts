import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { echo, uppercase } from '../lib/presets/index.js'
import { serveLocally } from './listener/local-listener.js'
import { missing, run } from './program.js'
import { socketFolder } from './socket-folder.js'

const shout = () => uppercase.pipeline({ banner: '' })
/** An input longer than the buffers between two programs. */
const LONG_INPUT = Buffer.from('0123456789abcde\n'.repeat(256 * 1024))

t.test('ncat sends a text and its end, and gets all of the answer', { skip: missing('ncat') }, async t => {
  const { port, ended } = await serveLocally(t, shout())
  t.equal(String((await run(t, 'héllo\nworld', 'ncat', '127.0.0.1', String(port))).output), 'HéLLO\nWORLD\n')
  t.strictSame(
    (await run(t, LONG_INPUT, 'ncat', '127.0.0.1', String(port))).output,
    Buffer.from(String(LONG_INPUT).toUpperCase()),
  )
  t.match(await ended(2), [{ reason: 'end' }, { reason: 'end' }])
})

t.test('ncat that only sends is answered all the same', { skip: missing('ncat') }, async t => {
  const { port, ended } = await serveLocally(t, shout())
  await run(t, 'hello\n', 'ncat', '--send-only', '127.0.0.1', String(port))
  t.match(await ended(1), [{ bytesRead: 6 }])
})

t.test('socat sends a text and its end, and gets all of the answer', { skip: missing('socat') }, async t => {
  const { port, ended } = await serveLocally(t, echo.pipeline())
  // Without `-t`, socat waits only half a second for the other direction.
  const { output } = await run(t, LONG_INPUT, 'socat', '-t', '30', '-', `TCP:127.0.0.1:${port}`)
  t.strictSame(output, LONG_INPUT)
  t.match(await ended(1), [{ reason: 'end', bytesRead: LONG_INPUT.length, bytesWritten: LONG_INPUT.length }])
})

t.test('socat speaks through a unix socket', { skip: missing('socat') }, async t => {
  const path = join(socketFolder(t), 's')
  const { ended } = await serveLocally(t, shout(), { host: undefined, port: undefined, path } as object)
  const { output } = await run(t, 'hello\n', 'socat', '-t', '30', '-', `UNIX-CONNECT:${path}`)
  t.equal(String(output), 'HELLO\n')
  t.match(await ended(1), [{ reason: 'end' }])
})

t.test('socat that resets is a client that has gone', { skip: missing('socat') }, async t => {
  const { port, ended } = await serveLocally(t, echo.pipeline())
  // With `linger=0` socat closes its end with RST.
  await run(t, 'hello\n', 'socat', '-u', '-', `TCP:127.0.0.1:${port},linger=0`)
  t.match(await ended(1), [{ reason: /^(client-reset|end)$/ }])
})

t.test('openssl s_client speaks TLS', { skip: missing('openssl') }, async t => {
  const folder = t.testdir()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-days', '1']
  const files = ['-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject, ...files], {
    stdio: 'ignore',
  })
  const { port, ended } = await serveLocally(t, shout(), {
    tls: { cert: readFileSync(cert), key: readFileSync(key) },
  })
  const parameters = ['-connect', `127.0.0.1:${port}`, '-CAfile', cert, '-verify_return_error', '-quiet']
  const client = spawn('openssl', ['s_client', ...parameters], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => client.kill('SIGKILL'))
  client.stdin.write('hello\n')
  t.equal(String((await once(client.stdout, 'data'))[0]), 'HELLO\n')
  client.stdin.end()
  client.kill()
  await once(client, 'close')
  t.match(await ended(1), [{ bytesRead: 6, bytesWritten: 6 }])
})
