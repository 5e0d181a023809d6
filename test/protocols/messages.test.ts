import { once } from 'node:events'
import t from 'tap'
import { serve, startExample } from '../example-server.js'
import { begin, missing, run } from '../program.js'

const MOSQUITTO = missing('mosquitto_pub', 'mosquitto_sub')

t.test('mqtt: mosquitto_sub gets what mosquitto_pub publishes', { skip: MOSQUITTO }, async t => {
  const { port, stop } = await startExample(t, 'protocols/mqtt.ts', 'MQTT on')
  const address = ['-h', '127.0.0.1', '-p', String(port)]
  const publish = async (topic: string, ...parameters: string[]) =>
    (await run(t, '', 'mosquitto_pub', ...address, '-t', topic, ...parameters)).code
  t.equal(await publish('ready', '-r', '-m', 'yes'), 0)
  /** Subscribes, and resolves once the broker has done so: what it has retained for the last topic comes then. */
  const subscribe = async (count: number, ...topics: string[]) => {
    const flags = ['-C', String(count + 1), '-F', '%r %t %p', ...topics.flatMap(topic => ['-t', topic])]
    const subscriber = begin(t, 'mosquitto_sub', ...address, ...flags, '-t', 'ready')
    const received: (string | undefined)[] = []
    while (received.at(-1) !== '1 ready yes') received.push(await subscriber.line())
    return { ...subscriber, retained: received.slice(0, -1) }
  }

  const both = await subscribe(4, 'room/temperature', 'room/light')
  const one = await subscribe(2, 'room/light')
  const long = 'é'.repeat(15_000)
  t.equal(await publish('room/temperature', '-m', '21'), 0)
  t.equal(await publish('room/nothing', '-m', 'lost'), 0)
  t.equal(await publish('room/light', '-r', '-m', 'on'), 0)
  t.equal(await publish('room/light', '-m', long), 0)
  t.equal(await publish('room/temperature', '-n'), 0)
  for (const text of [
    '0 room/temperature 21',
    '0 room/light on',
    `0 room/light ${long}`,
    '0 room/temperature ',
  ])
    t.equal(await both.line(), text)
  for (const text of ['0 room/light on', `0 room/light ${long}`]) t.equal(await one.line(), text)
  for (const { end } of [both, one]) t.equal(await end(), 0)

  const late = await subscribe(2, 'room/light')
  t.strictSame(late.retained, ['1 room/light on'], 'what was retained comes first')
  t.equal(await publish('room/light', '-r', '-n'), 0)
  t.equal(await late.line(), '0 room/light ', 'an empty message ends that')
  const later = await subscribe(1, 'room/light')
  t.strictSame(later.retained, [])
  t.equal(await publish('room/light', '-m', 'off'), 0)
  t.equal(await later.line(), '0 room/light off')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('mqtt: what the broker does not do it refuses', { skip: MOSQUITTO }, async t => {
  const { port } = await startExample(t, 'protocols/mqtt.ts', 'MQTT on')
  const address = ['-h', '127.0.0.1', '-p', String(port)]
  const wild = await run(t, '', 'mosquitto_sub', ...address, '-t', 'room/#')
  t.match(wild.errors, /All subscription requests were denied/)
  const version5 = await run(t, '', 'mosquitto_pub', ...address, '-V', 'mqttv5', '-t', 'a', '-m', 'b')
  t.match(version5.errors, /Unsupported Protocol Version/)
  const confirmed = await run(t, '', 'mosquitto_pub', ...address, '-q', '1', '-t', 'a', '-m', 'b')
  t.not(confirmed.code, 0, 'QoS 1')
})

t.test('mqtt: packets that no client of mosquitto sends by itself', { skip: missing('ncat') }, async t => {
  const { port } = await startExample(t, 'protocols/mqtt.ts', 'MQTT on')
  const send = async (...packets: string[]) => {
    const { output } = await run(t, Buffer.from(packets.join(''), 'hex'), 'ncat', '127.0.0.1', String(port))
    return output.toString('hex')
  }
  const connect = '100c00044d5154540402003c0000'
  const [publish, subscribe, unsubscribe, ping] = [
    '3004000161ff',
    '8206000100016100',
    'a2050002000161',
    'c000',
  ]
  t.equal(
    await send(connect, ping, subscribe, subscribe, publish, unsubscribe, publish, 'e000'),
    `20020000${'d000'}${'9003000100'.repeat(2)}${publish}b0020002`,
    'one subscription, until it is ended',
  )
  t.equal(await send(publish, ping), '20020001', 'CONNECT comes first')
  t.equal(await send(connect, connect, ping), '20020000', 'and once')
  for (const cut of ['30020001', '3003000561', '30020000', '3000', '820400010001'])
    t.equal(await send(connect, cut, ping), '20020000', cut)
})

t.test('syslog: each message of logger becomes a line of JSON', { skip: missing('logger') }, async t => {
  const { port, outputLine, stop } = await startExample(t, 'protocols/syslog.ts', 'Syslog on')
  for (const framing of [['--octet-count'], []]) {
    for (const format of ['rfc5424', 'rfc3164']) {
      const address = ['-n', '127.0.0.1', '-P', String(port), '--tcp', ...framing, `--${format}`]
      const message = `${format} ${framing.join('')} 12 <1> "é"`
      const { code } = await run(t, '', 'logger', ...address, '-t', 'tests', '-p', 'local3.err', message)
      t.equal(code, 0)
      t.match(JSON.parse(await outputLine()), {
        format,
        facility: 19,
        severity: 3,
        appName: 'tests',
        message,
      })
    }
  }
  const lines = ['first', 'second', 'third']
  const address = ['-n', '127.0.0.1', '-P', String(port), '--tcp', '--octet-count']
  await run(t, lines.join('\n'), 'logger', ...address)
  for (const message of lines) t.match(JSON.parse(await outputLine()), { message }, 'in one connection')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test(
  'syslog: a message that breaks the rules is reported, and the next one is read',
  { skip: missing('ncat') },
  async t => {
    const { port, line, outputLine } = await startExample(t, 'protocols/syslog.ts', 'Syslog on')
    const { output } = await run(t, '<34>1 nonsense\n<34>good\n', 'ncat', '127.0.0.1', String(port))
    t.equal(String(output), '', 'nobody is answered')
    t.match(await line(), /^127\.0\.0\.1: Stage 'syslog' /)
    t.match(JSON.parse(await outputLine()), { facility: 4, severity: 2, message: 'good' })
  },
)

t.test('chat: ncat and socat talk in a room', { skip: missing('ncat', 'socat') }, async t => {
  const flags = ['--host', '127.0.0.1', '--port', '0']
  const { port, stop } = await serve(t, ['dist/cli/bin.js', 'chat', ...flags], 'Chat room on')
  const ann = begin(t, 'ncat', '127.0.0.1', String(port))
  t.match(await ann.line(), /^\* Welcome, guest-1\. \/nick NAME /)
  ann.type('/nick Ann\n')
  t.equal(await ann.line(), '* You are Ann now.')
  ann.type('first words\n')
  const bob = begin(t, 'socat', '-t', '30', '-', `TCP:127.0.0.1:${port}`)
  t.match(await bob.line(), /^\* Welcome, guest-2\. /)
  const history = ['* guest-1 has joined', '* guest-1 is Ann now', '<Ann> first words']
  for (const text of history) t.equal(await bob.line(), text, 'what was said before')
  t.equal(await ann.line(), '* guest-2 has joined')
  bob.type('hello, Ann\n/who\n')
  t.equal(await ann.line(), '<guest-2> hello, Ann')
  t.equal(await bob.line(), '* Here are: Ann, guest-2')
  ann.child.kill('SIGKILL')
  await once(ann.child, 'close')
  t.equal(await bob.line(), '* Ann has left', 'also where the client was killed')
  const cat = begin(t, 'ncat', '127.0.0.1', String(port))
  t.match(await cat.line(), /^\* Welcome, guest-3\. /)
  cat.type('/quit\n')
  for (const text of ['* guest-3 has joined', '* guest-3 has left']) t.equal(await bob.line(), text)
  t.equal(await bob.end(), 0)
  t.equal(await bob.line(), undefined)
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('websocket: the WebSocket of Node, which is that of undici', async t => {
  const flags = ['--websocket', '--host', '127.0.0.1', '--port', '0']
  const { port, stop } = await serve(
    t,
    ['dist/cli/bin.js', 'uppercase', ...flags],
    'Uppercase echo server on',
  )
  const program = `
    const socket = new WebSocket('ws://127.0.0.1:${port}/')
    const long = 'x'.repeat(4000)
    socket.onopen = () => { for (const text of ['hello', 'héllo', long]) socket.send(text) }
    socket.onmessage = ({ data }) => {
      console.log(data === long.toUpperCase() ? 'long' : data)
      if (data.length === 4000) socket.close(1000)
    }
    socket.onclose = ({ code, wasClean }) => console.log(code, wasClean)`
  // Node 20 has it behind a flag.
  const experimental = 'WebSocket' in globalThis ? [] : ['--experimental-websocket', '--no-warnings']
  const { output, errors } = await run(t, '', process.execPath, ...experimental, '-e', program)
  t.strictSame(String(output).split('\n'), [
    'Type a line and press Enter. I will shout it back.',
    'HELLO',
    'HéLLO',
    'long',
    '1000 true',
    '',
  ])
  t.equal(errors, '')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})
