import t from 'tap'
import { readConfiguration } from '../../../lib/config/file/configuration.js'
import { pathOf, pem } from '../../transports/certificates.js'

const FOLDER = '/srv/echo'

const textOf = (options: string) => `listeners: [{ name: a, listen: { ${options} }, pipeline: echo }]`

/** Reads a file with one listener that has these options. */
async function read(
  options: string,
  more: { readonly folder?: string; readonly readsCertificates?: boolean } = {},
) {
  return readConfiguration(textOf(options), { environment: { RUN: '/run' }, folder: FOLDER, ...more })
}

async function listenOf(options: string, more = {}) {
  const { configuration, problems } = await read(options, more)
  if (configuration === undefined) throw new Error(JSON.stringify(problems))
  return configuration.listeners[0]!.listen
}

/** The problems, each behind what it is about. */
async function problemOf(options: string, more = {}) {
  const { problems } = await read(options, more)
  const text = textOf(options)
  return problems.map(({ at, message, remedy }) => [
    text.slice(at.start, at.end),
    `${message}${remedy && ` ${remedy}`}`,
  ])
}

t.test('a unix socket is relative to the file, and has its mode in octal', async t => {
  const { path, mode, host, port, idleTimeout } = await listenOf('path: ./s, mode: "660"')
  t.strictSame([path, mode, host, port, idleTimeout], [`${FOLDER}/s`, 0o660, undefined, undefined, 300_000])
  t.equal((await listenOf("path: '${RUN}/echo.sock', mode: '0600'")).path, '/run/echo.sock')
})

t.test('a descriptor is a number or a name', async t => {
  for (const [written, fd] of [
    ['3', 3],
    ['"4"', 4],
    ['systemd', 'systemd'],
    ['"systemd:web"', 'systemd:web'],
  ] as const) {
    const listen = await listenOf(`fd: ${written}`)
    t.strictSame([listen.fd, listen.port], [fd, undefined])
  }
})

t.test('what is no address, or two, is a problem', async t => {
  t.strictSame(await problemOf('path: s, port: 1'), [
    ['{ path: s, port: 1 }', "'listen': 'path' and 'port' do not go together; a listener has one address."],
  ])
  t.strictSame(await problemOf('mode: "600"'), [
    ['{ mode: "600" }', "'listen': 'mode' is for the file of a unix socket; give 'path' too."],
  ])
  t.match(await problemOf(`path: ${'x'.repeat(100)}`), [[/^\{/, /^'listen': 'path' has at most 103 bytes/]])
  t.strictSame(await problemOf('path: s, mode: 660'), [
    ['660', "'mode' is three octal digits, such as '660'; got 660. Put it in quotes."],
  ])
  t.match(await problemOf('fd: x'), [
    ['x', /^'fd' is the number of a descriptor, 'systemd', or 'systemd:' and a/],
  ])
})

t.test('two listeners cannot have one socket', async t => {
  const two = (one: string, other: string) =>
    readConfiguration(
      `listeners: [{ name: a, listen: { ${one} }, pipeline: echo }, { name: b, listen: { ${other} }, pipeline: echo }]`,
      { environment: {}, folder: FOLDER },
    )
  const same = async (one: string, other: string) =>
    (await two(one, other)).problems.map(({ message }) => message)
  t.strictSame(await same('path: s', 'path: ./s'), [`Another listener has ${FOLDER}/s.`])
  t.strictSame(await same('fd: 3', 'fd: "3"'), ['Another listener has descriptor 3.'])
  for (const other of ['path: t', 'fd: 3', 'port: 1']) t.strictSame(await same('path: s', other), [], other)
})

t.test('tls has the contents of its files, which are relative to the file', async t => {
  const files = { folder: pathOf('server').replace('/server.pem', ''), readsCertificates: true }
  const { tls } = await listenOf(
    'tls: { cert: server.pem, key: ./server-key.pem, ca: "authority.pem", handshakeTimeout: 2s }',
    files,
  )
  t.strictSame(tls, {
    cert: pem('server'),
    key: pem('server-key'),
    ca: pem('authority'),
    minVersion: 'TLSv1.2',
    handshakeTimeout: 2000,
  })
})

t.test('who does not serve reads no certificates, and sees what else is wrong', async t => {
  t.equal((await listenOf('tls: { cert: none, key: none }')).tls, undefined)
  t.strictSame(await problemOf('tls: { cert: none, minVersion: TLSv1.1 }'), [
    ['{ cert: none, minVersion: TLSv1.1 }', "'tls' has no 'key'. Add 'key:'."],
    [
      'TLSv1.1',
      '\'minVersion\' is one of "TLSv1.2", "TLSv1.3"; got "TLSv1.1". Did you mean \'TLSv1.2\' or \'TLSv1.3\'?',
    ],
  ])
  t.match(await problemOf('tls: 5'), [['5', /^'tls' is a mapping; got 5\. Its keys are cert, key, ca, /]])
})

t.test('websocket is true, or a mapping of its options', async t => {
  t.notOk('websocket' in (await listenOf('port: 1')))
  t.equal((await listenOf('websocket: true')).websocket, true)
  t.equal((await listenOf('websocket: "false"')).websocket, false)
  t.strictSame((await listenOf('websocket: { page: true, origins: "*", pingInterval: 5s }')).websocket, {
    origins: '*',
    pingInterval: 5000,
    page: true,
  })
  t.strictSame(await problemOf('websocket: 5'), [['5', "'websocket' is true or false; got 5."]])
  t.match(await problemOf('websocket: [a]'), [
    ['[a]', /^'websocket' is a mapping; got a list\. Its keys are messages, /],
  ])
  t.match(await problemOf('websocket: { origins: a }'), [['a', /^'origins' is a list of origins, /]])
})

t.test('certificates that cannot be used are a problem', async t => {
  const options = 'tls: { cert: none.pem, key: x }'
  t.strictSame(await problemOf(options, { readsCertificates: true }), [
    ['{ cert: none.pem, key: x }', "tls: 'cert': there is no file none.pem."],
  ])
})
