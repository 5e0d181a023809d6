import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { compiledExample, serve, startExample } from '../example-server.js'
import { missing, run } from '../program.js'
import { SCRIPT_FLAGS } from '../script-path.js'
import { pathOf } from '../transports/certificates.js'

t.test('socks5: curl reaches a server by its address and by its name', { skip: missing('curl') }, async t => {
  const web = createServer((request, response) =>
    response.end(`${request.url} of ${request.headers.host}`),
  ).listen(0, '127.0.0.1')
  t.teardown(() => web.close())
  await once(web, 'listening')
  const { port: webPort } = web.address() as AddressInfo
  const { port, stop } = await startExample(t, 'protocols/socks5.ts', 'SOCKS5 on')
  for (const flag of ['--socks5', '--socks5-hostname']) {
    const { code, output } = await run(
      t,
      '',
      'curl',
      '-sS',
      '-m',
      '20',
      '--noproxy',
      '',
      flag,
      `127.0.0.1:${port}`,
      `http://127.0.0.1:${webPort}/a`,
      `http://localhost:${webPort}/b`,
    )
    t.equal(code, 0)
    t.equal(String(output), `/a of 127.0.0.1:${webPort}/b of localhost:${webPort}`)
  }
  const { output } = await run(
    t,
    Buffer.from([5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 1]),
    'curl',
    '-sS',
    '-m',
    '20',
    `telnet://127.0.0.1:${port}`,
  )
  t.strictSame([...output], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0], 'BIND is not supported, also in one chunk')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

/** Debian's package of swaks only recommends the library that it needs for TLS. */
function missingSwaks(): string | false {
  const { stderr } = spawnSync('swaks', ['--support'], { encoding: 'utf8' })
  const hasTls = !stderr?.includes('TLS not available')
  return missing('swaks') || (!hasTls && 'swaks has no TLS: it needs libnet-ssleay-perl')
}

t.test('smtp: swaks sends a mail behind STARTTLS, and none before', { skip: missingSwaks() }, async t => {
  const parameters = [
    ...SCRIPT_FLAGS,
    compiledExample('protocols/smtp.ts'),
    '0',
    '127.0.0.1',
    pathOf('server'),
    pathOf('server-key'),
  ]
  const { port, outputLine, stop } = await serve(t, parameters, 'SMTP on')
  const swaks = (...more: string[]) =>
    run(
      t,
      '',
      'swaks',
      '--server',
      `127.0.0.1:${port}`,
      '--from',
      'a@example.com',
      '--to',
      'b@example.com',
      '--body',
      'Hello\n.dot',
      ...more,
    )
  const secure = await swaks('--tls')
  if (!t.equal(secure.code, 0, secure.errors)) return
  t.match(String(secure.output), /TLS started with cipher TLSv1\.3/)
  t.match(JSON.parse(await outputLine()), /Subject: test[\s\S]*\n\nHello\n\.dot/)
  const plain = await swaks()
  t.not(plain.code, 0)
  t.match(String(plain.output), /530 say STARTTLS first/)
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test(
  'postgres: psql asks for TLS, and gets none of its answers without',
  { skip: missing('psql') },
  async t => {
    const parameters = [
      ...SCRIPT_FLAGS,
      compiledExample('protocols/postgres.ts'),
      ...['0', '127.0.0.1', pathOf('server'), pathOf('server-key')],
    ]
    const { port, stop } = await serve(t, parameters, 'PostgreSQL on')
    const psql = (mode: string, ...commands: string[]) => {
      const target = `host=127.0.0.1 port=${port} user=ann dbname=any sslmode=${mode} connect_timeout=20`
      return run(t, '', 'psql', '-AtX', target, ...commands.flatMap(command => ['-c', command]))
    }
    const secure = await psql('require', 'select 1', "select 'é'", '\\conninfo')
    t.equal(secure.code, 0)
    t.match(String(secure.output), /^select 1\nselect 'é'\n[\s\S]*SSL connection \(protocol: TLSv1\.3/)
    const plain = await psql('disable', 'select 1')
    t.strictSame([plain.code, String(plain.output)], [2, ''])
    t.equal(await stop(), 0, 'SIGTERM ends it in good order')
  },
)
