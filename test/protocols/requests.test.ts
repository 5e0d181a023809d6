import { once } from 'node:events'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startExample } from '../example-server.js'
import { begin, missing, run } from '../program.js'

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

/** Sends bytes with ncat and then FIN, and gives the answer with one character for each byte. */
async function send(t: Test, port: number, input: string): Promise<string> {
  const { output } = await run(t, Buffer.from(input, 'latin1'), 'ncat', '127.0.0.1', String(port))
  return output.toString('latin1')
}

t.test('redis: redis-cli gets the answers that it knows', { skip: missing('redis-cli') }, async t => {
  const { port, stop } = await startExample(t, 'protocols/redis.ts', 'Redis on')
  const commands: [command: string, answer: string][] = [
    ['PING', 'PONG'],
    ['ping "a b"', '"a b"'],
    ['ECHO hello', '"hello"'],
    ['SET greeting "héllo"', 'OK'],
    ['GET greeting', '"h\\xc3\\xa9llo"'],
    ['GET nothing', '(nil)'],
    ['INCR count', '(integer) 1'],
    ['INCR count', '(integer) 2'],
    ['INCR greeting', '(error) ERR not an integer'],
    ['DEL greeting count nothing', '(integer) 2'],
    ['GET greeting', '(nil)'],
    ['SET alone', '(error) ERR unknown command "SET", or too few words'],
    ['FLUSHALL', '(error) ERR unknown command "FLUSHALL", or too few words'],
    ['COMMAND', '(empty array)'],
    ['PUBLISH nobody hello', '(integer) 0'],
  ]
  const input = commands.map(([command]) => `${command}\n`).join('')
  const { code, output } = await run(t, input, 'redis-cli', '-p', String(port), '--no-raw')
  t.equal(code, 0)
  t.strictSame(
    String(output).trimEnd().split('\n'),
    commands.map(([, answer]) => answer),
  )

  await run(t, everyByte, 'redis-cli', '-p', String(port), '-x', 'SET', 'bytes')
  const got = await run(t, '', 'redis-cli', '-p', String(port), '--raw', 'GET', 'bytes')
  t.strictSame(got.output, Buffer.concat([everyByte, Buffer.from('\n')]), 'every byte')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test(
  'redis: redis-cli hears the channels that it subscribes to',
  { skip: missing('redis-cli') },
  async t => {
    const { port } = await startExample(t, 'protocols/redis.ts', 'Redis on')
    const listener = begin(t, 'redis-cli', '-p', String(port), 'SUBSCRIBE', 'news', 'weather', 'news')
    const heard = async (count: number) => {
      const lines: (string | undefined)[] = []
      while (lines.length < count) lines.push(await listener.line())
      return lines
    }
    t.strictSame(await heard(9), [
      'subscribe',
      'news',
      '1',
      'subscribe',
      'weather',
      '2',
      'subscribe',
      'news',
      '2',
    ])
    const publish = async (...words: string[]) =>
      String((await run(t, '', 'redis-cli', '-p', String(port), 'PUBLISH', ...words)).output)
    t.equal(await publish('news', 'first'), '1\n', 'one has heard it')
    t.equal(await publish('other', 'second'), '0\n')
    t.equal(await publish('weather', 'third'), '1\n')
    t.strictSame(await heard(6), ['message', 'news', 'first', 'message', 'weather', 'third'], 'once each')
  },
)

t.test('redis: redis-benchmark, sixteen at a time', { skip: missing('redis-benchmark') }, async t => {
  const { port } = await startExample(t, 'protocols/redis.ts', 'Redis on')
  const flags = ['-p', String(port), '-P', '16', '-t', 'set,get', '-n', '10000', '-q']
  const { code, output, errors } = await run(t, '', 'redis-benchmark', ...flags)
  t.equal(code, 0)
  t.notMatch(String(output) + errors, /error/i)
  for (const command of ['SET', 'GET'])
    t.match(String(output), new RegExp(`${command}: [\\d.]+ requests per second`))
})

t.test('redis: ioredis, with its handshake, pipelines and channels', async t => {
  const { port } = await startExample(t, 'protocols/redis.ts', 'Redis on')
  const [client, listener] = [new Redis({ port }), new Redis({ port })]
  t.equal(await client.set('bytes', everyByte), 'OK')
  t.strictSame(await client.getBuffer('bytes'), everyByte)
  t.equal(await client.get('nothing'), null)
  const pipeline = client.pipeline()
  for (let count = 0; count < 100; count++) pipeline.incr('count')
  t.strictSame(
    (await pipeline.exec())?.map(([, value]) => value),
    Array.from({ length: 100 }, (_, n) => n + 1),
  )

  const message = once(listener, 'message')
  t.equal(await listener.subscribe('news', 'weather'), 2)
  t.equal(await client.publish('weather', 'sunny'), 1)
  t.strictSame(await message, ['weather', 'sunny'])

  await Promise.all(Array.from({ length: 998 }, (_, n) => client.set(`key-${n}`, 'value')))
  await t.rejects(client.set('one more', 'value'), { message: 'OOM there are 1000 keys' })
  t.equal(await client.set('count', 'again'), 'OK', 'a key that is there')
  for (const each of [client, listener]) {
    const ended = once(each, 'end')
    each.disconnect()
    await ended
  }
})

t.test('redis: what is no RESP is a protocol error', { skip: missing('ncat') }, async t => {
  const { port } = await startExample(t, 'protocols/redis.ts', 'Redis on')
  t.equal(await send(t, port, 'PING\r\n*1\r\n$x\r\n'), '+PONG\r\n-ERR Protocol error\r\n')
})

t.test('http: curl keeps its connection', { skip: missing('curl') }, async t => {
  const { port, stop } = await startExample(t, 'protocols/http.ts', 'HTTP on')
  const url = `http://127.0.0.1:${port}`
  const shown = '%{http_code} %{num_connects}\\n'
  const curl = async (...parameters: string[]) =>
    String((await run(t, '', 'curl', '-s', '-w', shown, ...parameters)).output)
  t.equal(
    await curl(`${url}/one?a=b`, `${url}/two`),
    'GET /one?a=b, 0 bytes\n200 1\nGET /two, 0 bytes\n200 0\n',
  )
  t.equal(await curl('-d', 'x'.repeat(60_000), `${url}/`), 'POST /, 60000 bytes\n200 1\n')
  t.match(await curl('-d', 'x'.repeat(70_000), `${url}/`), /400 1\n$/, 'a body over 64 KiB')
  t.equal(
    await curl('-I', `${url}/`, `${url}/`),
    ['1', '0']
      .map(connects => {
        const head =
          'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 16\r\nConnection: keep-alive'
        return `${head}\r\n\r\n200 ${connects}\n`
      })
      .join(''),
    'a head without a body, and the next behind it',
  )
  t.equal(await curl('-0', `${url}/`, `${url}/`), 'GET /, 0 bytes\n200 1\n'.repeat(2), 'HTTP/1.0 closes')
  t.equal(await curl('-H', 'Transfer-Encoding: chunked', '-d', 'x', `${url}/`), '400 1\n')
  // Without an answer curl would wait for longer than the test may take.
  const expecting = ['-H', 'Expect: 100-continue', '--expect100-timeout', '600', '-D', '-']
  const answer = await curl(...expecting, '-d', 'hello', `${url}/one`, `${url}/two`)
  const head = String.raw`HTTP/1\.1 100 Continue\r\n\r\nHTTP/1\.1 200 OK\r\n[^/]*/[^/]*`
  t.match(answer, new RegExp(`^${head}POST /one, 5 bytes\n200 1\n${head}POST /two, 5 bytes\n200 0\n$`))
  const [shownSize, large] = ['%{http_code}, %{size_upload} bytes', 'x'.repeat(70_000)]
  const refused = await curl(...expecting, '-d', large, '-w', shownSize, `${url}/`)
  t.match(refused, /^HTTP\/1\.1 400 [^/]*\r\n\r\n400, 0 bytes$/, 'a body that is too long is not sent')
  t.equal(await curl('-0', ...expecting.slice(0, 2), '-d', 'x', `${url}/`), 'POST /, 1 bytes\n200 1\n')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('http: ab keeps sixteen connections', { skip: missing('ab') }, async t => {
  const { port } = await startExample(t, 'protocols/http.ts', 'HTTP on')
  const { code, output } = await run(t, '', 'ab', '-k', '-n', '2000', '-c', '16', `http://127.0.0.1:${port}/`)
  t.equal(code, 0)
  t.match(String(output), /^Complete requests: +2000$/m)
  t.match(String(output), /^Failed requests: +0$/m)
  t.match(String(output), /^Keep-Alive requests: +2000$/m)
  t.notMatch(String(output), /Non-2xx/)
})

t.test(
  'http: pipelined requests, and those that could be read in two ways',
  { skip: missing('ncat') },
  async t => {
    const { port } = await startExample(t, 'protocols/http.ts', 'HTTP on')
    const bodies = (answer: string) => answer.match(/^(HTTP\/1\.1 4\d\d|[A-Z]+ \/.*)/gm)
    const get = (path: string, ...headers: string[]) =>
      [`GET ${path} HTTP/1.1`, 'Host: a', ...headers, '\r\n'].join('\r\n')
    t.strictSame(
      bodies(await send(t, port, `${get('/1')}${get('/2', 'Content-Length: 3')}abc${get('/3')}`)),
      ['GET /1, 0 bytes', 'GET /2, 3 bytes', 'GET /3, 0 bytes'],
    )
    const head = get('/1').replace('GET', 'HEAD')
    t.strictSame(bodies(await send(t, port, head + get('/2'))), ['GET /2, 0 bytes'], 'HEAD has no body')
    t.strictSame(bodies(await send(t, port, get('/1', 'Connection: close') + get('/2'))), ['GET /1, 0 bytes'])
    for (const bad of [
      get('/', 'Content-Length: 3', 'Content-Length: 4'),
      get('/', 'Content-Length: +3'),
      get('/', 'Content-Length: 3', 'Transfer-Encoding: chunked'),
      get('/', 'Content-Length : 3'),
      get('/', 'a: b\nContent-Length: 3'),
      get('/', 'Host: b'),
      'GET / HTTP/1.1\r\n\r\n',
      'GET / HTTP/2.0\r\n\r\n',
      'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n',
    ]) {
      t.strictSame(
        bodies(await send(t, port, get('/good') + bad)),
        ['GET /good, 0 bytes', 'HTTP/1.1 400'],
        bad,
      )
    }
  },
)

// Debian has no client for HL7 over MLLP: ncat and socat send what the specification shows.
t.test('mllp: messages of HL7 are acknowledged', { skip: missing('ncat', 'socat') }, async t => {
  const { port, stop } = await startExample(t, 'protocols/mllp.ts', 'MLLP on')
  const block = (...segments: string[]) => `\v${segments.map(segment => `${segment}\r`).join('')}\x1c\r`
  /** Puts marks for what is new in each answer: its time, and its control ID. */
  const steady = (answer: string) => answer.replace(/\d{14}\+0000/g, 'TIME').replace(/\d{14}-\d+/g, 'ID')
  // HL7 v2.5.1, chapter 2: a result of a laboratory.
  const result = block(
    'MSH|^~\\&|GHH LAB|ELAB-3|GHH OE|BLDG4|200202150930||ORU^R01|CNTRL-3456|P|2.4',
    'PID|||555-44-4444||EVERYWOMAN^EVE^E^^^^L|JONES|196203520|F',
  )
  const acknowledged = block(
    'MSH|^~\\&|GHH OE|BLDG4|GHH LAB|ELAB-3|TIME||ACK^R01|ID|P|2.4',
    'MSA|AA|CNTRL-3456',
  )
  t.equal(steady(await send(t, port, result)), acknowledged)
  const socat = await run(t, result + result, 'socat', '-t', '30', '-', `TCP:127.0.0.1:${port}`)
  t.equal(steady(String(socat.output)), acknowledged.repeat(2), 'two in one connection')
  const ids = String(socat.output).match(/\d{14}-\d+/g)
  t.equal(new Set(ids).size, 2, 'each answer has a control ID of its own')

  // HL7 v2.1, chapter 2: what LAB answers to ADT, of the same facility; its message has no trigger event.
  const admission = block('MSH|^~\\&|ADT|767543|LAB|767543|19900314130405||ADT|ZZ9380|P|2.1')
  t.equal(
    steady(await send(t, port, admission)),
    block('MSH|^~\\&|LAB|767543|ADT|767543|TIME||ACK|ID|P|2.1', 'MSA|AA|ZZ9380'),
  )
  const otherMarks = block('MSH$%~\\&$A$B$C$D$20020215$$ADT%A01$7$T$2.4')
  t.equal(
    steady(await send(t, port, otherMarks)),
    block('MSH$%~\\&$C$D$A$B$TIME$$ACK%A01$ID$T$2.4', 'MSA$AA$7'),
    'separators are those of the message',
  )
  t.match(steady(await send(t, port, block('MSH|^~\\&|A|B|C|D|||ADT^A01||P|2.4'))), /\rMSA\|AR\|\r/)
  t.equal(await send(t, port, acknowledged), '', 'no acknowledgement of an acknowledgement')
  t.equal(await send(t, port, block('PID|1') + result), '', 'what is no message ends the connection')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})
