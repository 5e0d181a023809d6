import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { transform } from 'esbuild'
import t, { type Test } from 'tap'
import { serve } from '../example-server.js'
import { freePort } from '../free-port.js'
import { begin, missing, run } from '../program.js'
import { kill, pause, redisParameters, startServer } from '../server-program.js'
import { connectTcp } from '../tcp-client.js'

const REDIS = missing('redis-server', 'redis-cli', 'redis-benchmark', 'ncat')
const NGINX = missing('nginx', 'curl')

async function startRedis(t: Test) {
  const port = await freePort()
  return { port, server: await startServer(t, port, 'redis-server', redisParameters(port)) }
}

/** nginx, which takes connections with a PROXY header only, and answers with the address that it was told. */
async function startNginx(t: Test) {
  const port = await freePort()
  const large = Buffer.alloc(5_000_000, '0123456789abcdef')
  const folder = t.testdir({ 'large.txt': large })
  const text = `
    daemon off;
    master_process off;
    pid ${folder}/pid;
    error_log ${folder}/error.log;
    events {}
    http {
      log_format told '$proxy_protocol_addr:$proxy_protocol_port $request_uri $status';
      access_log ${folder}/access.log told;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      server {
        listen 127.0.0.1:${port} proxy_protocol;
        root ${folder};
        location = /told { return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }
      }
    }`
  const configuration = join(folder, 'nginx.conf')
  await writeFile(configuration, text)
  await startServer(t, port, 'nginx', ['-c', configuration])
  /** Its log, once it has so many lines. A connection without a header is none. */
  const logged = async (count: number) => {
    for (;;) {
      const lines = (await readFile(join(folder, 'access.log'), 'utf8')).split('\n').slice(0, -1)
      if (lines.length >= count) return lines
      await pause()
    }
  }
  return { port, large, logged }
}

/** Starts `bywash proxy`. */
function startProxy(t: Test, to: string, ...flags: string[]) {
  const parameters = ['dist/cli/bin.js', 'proxy', '--to', to, '--host', '127.0.0.1', '--port', '0', ...flags]
  return serve(t, parameters, `Proxy to ${to} on`)
}

/** Runs a program of docs/cookbook.md as it stands there, but on a free port, and in front of another server. */
async function startBlock(t: Test, heading: string, index: number, upstream = 0) {
  const page = await readFile('docs/cookbook.md', 'utf8')
  const section = page.slice(page.indexOf(`\n## ${heading}\n`))
  const block = [...section.matchAll(/^```ts\n(.*?)^```$/gms)][index]?.[1] as string
  const moved = block.replace('7000', '0').replace('6379', String(upstream))
  const program = /^const server = createServer/m.test(moved)
    ? `${moved}await new Promise(resolve => server.once('listening', resolve))\nconst { port } = server.address()`
    : `${moved.replace(/^await listen/m, 'const listener = $&')}const { port } = listener.address`
  // A folder inside the package, so that 'bywash' is this package by name.
  const { code } = await transform(program, { loader: 'ts' })
  const folder = t.testdir({ 'block.mjs': `${code}\nconsole.error(\`Block on 127.0.0.1:\${port}\`)` })
  return serve(t, [join(folder, 'block.mjs')], 'Block on')
}

t.test('proxy: redis-cli and redis-benchmark reach a redis-server', { skip: REDIS }, async t => {
  const redis = await startRedis(t)
  const { port, stop, line } = await startProxy(t, `127.0.0.1:${redis.port}`, '--log', 'text')
  const cli = (input: string | Buffer, ...words: string[]) =>
    run(t, input, 'redis-cli', '-p', String(port), ...words)
  t.equal(String((await cli('', 'PING')).output), 'PONG\n')
  const value = Buffer.alloc(3_000_000, Buffer.from([...Array(256).keys()]))
  t.equal(String((await cli(value, '-x', 'SET', 'bytes')).output), 'OK\n')
  t.strictSame((await cli('', '--raw', 'GET', 'bytes')).output, Buffer.concat([value, Buffer.from('\n')]))
  const many = Array.from({ length: 10_000 }, (_, n) => `SET key:${n} ${n}\r\n`).join('')
  t.match(
    String((await cli(many, '--pipe')).output),
    /errors: 0, replies: 10000/,
    'ten thousand in one stream',
  )
  t.equal(String((await cli('', 'DBSIZE')).output), '10001\n')
  const flags = ['-p', String(port), '-P', '16', '-t', 'set,get', '-n', '20000', '-q']
  const { code, output, errors } = await run(t, '', 'redis-benchmark', ...flags)
  t.equal(code, 0)
  t.notMatch(String(output) + errors, /error/i)

  const listener = begin(t, 'redis-cli', '-p', String(port), 'SUBSCRIBE', 'news')
  for (const text of ['subscribe', 'news', '1']) t.equal(await listener.line(), text)
  t.equal(String((await cli('', 'PUBLISH', 'news', 'first')).output), '1\n')
  for (const text of ['message', 'news', 'first']) t.equal(await listener.line(), text)
  await kill(redis.server)
  t.not(await listener.end(), 0, 'a server that dies ends its clients')
  const { output: refused } = await run(t, 'PING\r\n', 'ncat', '127.0.0.1', String(port))
  t.equal(
    String(refused),
    'error: the server behind this one is not available\n',
    'and is not there for others',
  )
  let said = ''
  while (!said.includes('cannot connect to')) said = await line()
  t.match(said, /upstream-error/)
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('proxy: nginx is told by PROXY v2 who its client is', { skip: NGINX }, async t => {
  const nginx = await startNginx(t)
  const { port, stop } = await startProxy(t, `127.0.0.1:${nginx.port} --proxy-protocol 2`)
  const url = `http://127.0.0.1:${port}`
  const curl = async (...parameters: string[]) => (await run(t, '', 'curl', '-s', ...parameters)).output
  const own = '\n%{local_ip}:%{local_port} %{num_connects}\n'
  const lines = String(await curl('-w', own, '--interface', '127.0.0.2', `${url}/told`, `${url}/told`)).split(
    '\n',
  )
  const [told = '', local = ''] = lines
  t.match(told, /^127\.0\.0\.2:\d+$/)
  t.equal(local, `${told} 1`, 'the address of curl, not that of the proxy')
  t.strictSame(lines.slice(2, 4), [told, `${told} 0`], 'once for each connection')
  t.ok((await curl(`${url}/large.txt`)).equals(nginx.large), 'a large answer')
  t.match((await nginx.logged(3)).slice(0, 2), [`${told} /told 200`, `${told} /told 200`])

  const inner = await startProxy(
    t,
    `127.0.0.1:${nginx.port} --proxy-protocol 2`,
    '--proxy-protocol',
    '127.0.0.1',
  )
  const behind = await curl('--haproxy-protocol', '-w', own, `http://127.0.0.1:${inner.port}/told`)
  const [from = '', to = ''] = String(behind).split('\n')
  t.equal(to, `${from} 1`, 'also where a header came in')
  const outer = await startProxy(t, `127.0.0.1:${inner.port} --proxy-protocol 1`)
  const chained = await curl('-w', own, '--interface', '127.0.0.3', `http://127.0.0.1:${outer.port}/told`)
  const [first = '', last = ''] = String(chained).split('\n')
  t.match(first, /^127\.0\.0\.3:\d+$/, 'and through two proxies')
  t.equal(last, `${first} 1`)
  for (const each of [outer.stop, inner.stop, stop]) t.equal(await each(), 0)
})

t.test('proxy: ab keeps sixteen connections to nginx', { skip: NGINX || missing('ab') }, async t => {
  const nginx = await startNginx(t)
  const { port } = await startProxy(t, `127.0.0.1:${nginx.port} --proxy-protocol 1`)
  const url = `http://127.0.0.1:${port}/told`
  for (const keeps of [['-k'], []]) {
    const { output } = await run(t, '', 'ab', '-l', ...keeps, '-n', '1000', '-c', '16', url)
    t.match(String(output), /^Complete requests: +1000$/m, keeps.join(''))
    t.match(String(output), /^Failed requests: +0$/m)
    t.notMatch(String(output), /Non-2xx/)
  }
})

/** A server that sends half an answer, and RST when it is asked again: Node takes one that comes with the last bytes for an end. */
async function serveHalf(t: Test): Promise<number> {
  const server = createServer(socket => {
    socket
      .on('error', () => {})
      .once('data', () => {
        socket.write('half')
        socket.once('data', () => socket.resetAndDestroy())
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

const PROXY = 'Put a server in front of another'

t.test('cookbook: the proxy, before and after', { skip: REDIS }, async t => {
  const redis = await startRedis(t)
  for (const index of [0, 1]) {
    const { port } = await startBlock(t, PROXY, index, redis.port)
    const { output } = await run(t, 'SET a 1\nGET a\n', 'redis-cli', '-p', String(port))
    t.equal(String(output), 'OK\n1\n')
  }
  await kill(redis.server)
  const half = await serveHalf(t)
  const [before, after] = [await startBlock(t, PROXY, 0, half), await startBlock(t, PROXY, 1, half)]
  const ask = async (port: number) => {
    const client = await connectTcp(t, port)
    await client.send('GET a\r\n')
    await client.receive('half')
    await client.send('GET b\r\n')
    return client
  }
  t.equal(String(await (await ask(before.port)).receive()), '', 'by hand, half an answer looks complete')
  await t.rejects((await ask(after.port)).receive(), { cause: { code: 'ECONNRESET' } })
  const [lost, told] = [await startBlock(t, PROXY, 0, redis.port), await startBlock(t, PROXY, 1, redis.port)]
  const farewell = async (port: number) => String(await (await connectTcp(t, port)).receive())
  t.equal(await farewell(lost.port), '', 'by hand, a server that is not there is an empty answer')
  t.equal(await farewell(told.port), 'error: the server behind this one is not available\n')
})

t.test('cookbook: the chat, before and after', { skip: missing('ncat') }, async t => {
  for (const index of [0, 1]) {
    const { port } = await startBlock(t, 'Let clients talk to each other', index)
    const [one, other] = [begin(t, 'ncat', '127.0.0.1', String(port)), await connectTcp(t, port)]
    // Until the other one has joined, nobody hears the first.
    const heard = other.receive('hello\n')
    let isHeard = false
    void heard.then(() => {
      isHeard = true
    })
    while (!isHeard) {
      one.type('hello\n')
      await pause()
    }
    await other.send('you too\n')
    t.equal(await one.line(), 'you too')
    other.end()
    t.equal(await one.end(), 0)
  }
})
