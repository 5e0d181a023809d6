import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { readConfiguration } from '../../../lib/config/file/configuration.js'
import { builtIn } from '../../../lib/config/registry.js'
import { formatText } from '../../../lib/config/text/format-text.js'
import { pipelineOfText } from '../../../lib/config/text/text-pipeline.js'
import {
  type BywashError,
  Connection,
  type ExecError,
  type ExecOptions,
  exec,
  InvalidOptionError,
  lines,
  type Outcome,
  type Pipeline,
  pipeline,
  prefix,
  StderrError,
  stage,
  take,
  toLines,
  toStream,
  uppercase,
} from '../../../lib/index.js'
import { StderrLines } from '../../../lib/stages/backends/stderr-lines.js'
import { connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { serveLocally } from '../../listener/local-listener.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { connectTcp } from '../../tcp-client.js'
import { childrenOf, descriptors, isAlive, until, untilAsleep, untilStopped } from './programs.js'

const brief = ({ reason, error }: Outcome) => [reason, error?.message]

const running = (command: string, args: readonly string[] = [], options?: ExecOptions) =>
  pipeline().through(exec(command, args, options))

/** A list with a script for `sh`. */
const script = (text: string, options?: ExecOptions) => running('sh', ['-c', text], options)

const text = async (whole: Pipeline<Buffer, Buffer>) => Buffer.concat(await runStage(whole, [])).toString()

t.test('what a socket sends in bulk passes unchanged', async t => {
  const { port } = await serveLocally(t, running('cat'))
  const client = await connectTcp(t, port)
  const bytes = Buffer.from(Uint32Array.from({ length: 2_000_000 }, (_, index) => index).buffer)
  client.end(bytes)
  t.ok((await client.receive()).equals(bytes))
})

for (const plan of PLANS) {
  t.test(`${plan}: bytes pass unchanged, however they are cut`, async () => {
    const list = running('cat')
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 90_000 }), { maxLength: 6 })
    const property = fc.asyncProperty(chunks, async chunks => {
      const client = connect(list, { plan })
      for (const chunk of chunks) client.send(chunk)
      client.end()
      if (!(await client.receive()).equals(Buffer.concat(chunks))) throw new Error('the bytes differ')
      if ((await client.outcome).reason !== 'end') throw new Error('no good end')
    })
    await fc.assert(property, { numRuns: runs(60) })
  })

  t.test(`${plan}: chunks that come in one turn leave in their order`, async t => {
    const cut = stage<Buffer, Buffer>({
      name: 'cut',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        transform(chunk, controller) {
          for (const byte of chunk) controller.enqueue(Buffer.of(byte))
        },
      }),
    })
    const client = connect(pipeline().through(cut).through(exec('cat')), { plan })
    client.send('abcd')
    client.end()
    t.equal(String(await client.receive()), 'abcd')
  })

  t.test(`${plan}: stages before it see what comes, and stages behind it what it writes`, async t => {
    const list = pipeline()
      .through(lines())
      .through(uppercase())
      .through(toLines())
      .through(exec('sort'))
      .through(lines())
      .through(prefix('> '))
      .through(toLines())
    const client = connect(list, { plan })
    client.end('b\na\n')
    t.equal((await client.receive()).toString(), '> A\n> B\n')
    t.strictSame(brief(await client.outcome), ['end', undefined])
  })

  t.test(`${plan}: a program that does not read holds the client back, and loses nothing`, async t => {
    const client = connect(script('echo $$; kill -STOP $$; exec cat'), { plan })
    const pid = Number(await client.receive('\n'))
    const size = 16 * 1_048_576
    const chunk = Buffer.alloc(65_536, 'x')
    for (let sent = 0; sent < size; sent += chunk.length) client.send(chunk)
    client.end()
    const { waiting } = await client.stalled()
    t.ok(waiting > size / 2, `${waiting} bytes wait with the client`)
    await untilStopped(pid)
    process.kill(pid, 'SIGCONT')
    t.equal((await client.receive()).length, size)
  })

  t.test(`${plan}: a client that does not read holds the program back, and loses nothing`, async t => {
    const size = 16 * 1_048_576
    const client = connect(script(`echo $$; exec head -c ${size} /dev/zero`), { plan })
    const pid = Number(await client.receive('\n'))
    client.send('not read')
    const { unread } = await client.stalled()
    t.ok(unread < 1_048_576, `${unread} bytes wait for the client`)
    await untilAsleep(pid)
    t.ok(isAlive(pid), 'it has not got rid of everything')
    t.equal((await client.receive()).length, size)
    client.end()
    t.equal((await client.outcome).reason, 'terminated')
  })

  t.test(`${plan}: a program that exits ends the connection, while its client still sends`, async t => {
    const { port, ended } = await serveLocally(t, script('read line; echo "got $line"'), { plan })
    const client = await connectTcp(t, port)
    await client.send('one\nand more that nobody reads\n')
    t.equal((await client.receive()).toString(), 'got one\n')
    client.end()
    t.strictSame(brief((await ended(1))[0] as Outcome), ['terminated', undefined])
  })

  t.test(`${plan}: a code other than 0 is an outcome`, async t => {
    const { port, ended } = await serveLocally(
      t,
      script('read answer; printf "$answer"; read more; exit 3'),
      { plan },
    )
    const silent = await connectTcp(t, port)
    await silent.send('\n\n')
    t.equal((await silent.receive()).toString(), 'error: the program behind this server is not available\n')
    silent.end()
    const speaking = await connectTcp(t, port)
    await speaking.send('half an ans\n')
    t.equal((await speaking.receive(11)).toString(), 'half an ans', 'behind what came before')
    await speaking.send('\n')
    t.match(await speaking.closed, { code: 'ECONNRESET' }, 'which does not look complete')
    for (const outcome of await ended(2)) {
      t.strictSame(brief(outcome), ['exec-error', "Stage 'exec' ran 'sh', which exited with code 3."])
      t.match(outcome.error, {
        code: 'ERR_BYWASH_EXEC',
        exitCode: 3,
        signal: undefined,
      } as Partial<ExecError>)
    }
  })

  t.test(`${plan}: so is a signal`, async t => {
    const client = connect(script('kill -KILL $$'), { plan })
    t.equal((await client.receive()).toString(), 'error: the program behind this server is not available\n')
    client.end()
    const { error, reason } = await client.outcome
    t.equal(reason, 'exec-error')
    t.equal(error?.message, "Stage 'exec' ran 'sh', which was killed by SIGKILL.")
    t.match(error, { exitCode: undefined, signal: 'SIGKILL' })
  })

  t.test(`${plan}: a program that cannot be started is named`, async t => {
    const folder = t.testdir({ plain: '', 'no-interpreter': '#!/no/such/program\n' })
    const { chmodSync } = await import('node:fs')
    chmodSync(`${folder}/no-interpreter`, 0o755)
    const long = 'x'.repeat(4_000_000)
    for (const [command, why, args = []] of [
      ['no-such-command', /cannot start 'no-such-command': there is no such command in PATH\.$/],
      [
        `${folder}/missing`,
        /missing': there is no such file, or no such interpreter as its first line names\.$/,
      ],
      [`${folder}/no-interpreter`, /no-interpreter': there is no such file, or/],
      [`${folder}/plain`, /plain': it is not executable\.$/],
      ['cat', /'cat': argument list too long\.$/, [long]],
    ] as const) {
      const client = connect(running(command, args), { plan })
      client.send('x')
      t.match((await client.receive()).toString(), /^error: the program behind/)
      client.end()
      t.match(brief(await client.outcome), ['exec-error', why])
    }
  })

  t.test(`${plan}: only so many run at once`, async t => {
    for (const maxProcesses of [1, 2]) {
      const list = running('cat', [], { maxProcesses })
      const clients = Array.from({ length: maxProcesses }, () => connect(list, { plan }))
      const refused = connect(list, { plan })
      t.equal(
        (await refused.receive()).toString(),
        'error: the program behind this server is not available\n',
      )
      refused.end()
      const programs = maxProcesses === 1 ? '1 program' : '2 programs'
      t.strictSame(brief(await refused.outcome), [
        'exec-error',
        `Stage 'exec' runs ${programs} already ('maxProcesses').`,
      ])
      for (const client of clients) client.end('still here')
      for (const client of clients) t.equal((await client.receive()).toString(), 'still here')
      await Promise.all(clients.map(client => client.outcome))
      const next = connect(list, { plan })
      next.end('next')
      t.equal((await next.receive()).toString(), 'next')
    }
  })

  t.test(`${plan}: a program may close its stdin and go on`, async t => {
    const client = connect(script('exec 0<&-; echo $$; kill -STOP $$; echo done'), { plan })
    const pid = Number(await client.receive('\n'))
    for (let sent = 0; sent < 64; sent++) client.send(Buffer.alloc(65_536))
    while ((await client.stalled()).waiting > 0) {}
    client.end('the last')
    while ((await client.stalled()).waiting > 0) {}
    t.pass('what it does not want is dropped')
    await untilStopped(pid)
    process.kill(pid, 'SIGCONT')
    t.equal((await client.receive()).toString(), 'done\n')
    t.strictSame(brief(await client.outcome), ['end', undefined])
  })

  t.test(`${plan}: a program may close its stdout and go on`, async t => {
    for (const code of [0, 1]) {
      const clock = fakeClock()
      const list = script(`exec 1>&-; read line; exit ${code}`)
      const { port, ended } = await serveLocally(t, list, { plan, clock })
      const client = await connectTcp(t, port)
      let isOver = false
      const answer = client.receive().finally(() => {
        isOver = true
      })
      await until(() => {
        clock.advance(1_000)
        return isOver
      })
      t.equal((await answer).length, 0, 'the client is told')
      await client.send('x\n')
      client.end()
      t.equal((await ended(1))[0]?.reason, code === 0 ? 'end' : 'exec-error')
    }
  })

  t.test(`${plan}: what a program leaves behind may finish its output, while it makes some`, async t => {
    const clock = fakeClock()
    const list = script("(trap 'echo late' USR1; echo; while :; do sleep 1000 & wait; done) & echo $$ $!", {
      grace: '3s',
    })
    const { port, ended, outcomes } = await serveLocally(t, list, { plan, clock })
    const client = await connectTcp(t, port)
    const said = `${await client.receive('\n')}${await client.receive('\n')}`
    const [program = 0, child = 0] = said.trim().split(' ').map(Number)
    await until(() => !childrenOf().includes(program))
    process.kill(child, 'SIGUSR1')
    t.equal((await client.receive('\n')).toString(), 'late\n')
    clock.advance(3_000)
    t.ok(isAlive(child))
    t.strictSame(outcomes, [])
    clock.advance(3_000)
    t.equal((await client.receive()).length, 0)
    client.end()
    t.equal((await ended(1))[0]?.reason, 'terminated')
    await until(() => !isAlive(child))
    // Where nobody asks for orphans, they stay in the group as zombies.
    clock.advance(3_000)
  })

  t.test(`${plan}: toStream() runs it too`, async t => {
    const stream = toStream(exec('tr', ['a-z', 'A-Z']), { plan })
    stream.end('ping')
    t.equal(Buffer.concat(await stream.toArray()).toString(), 'PING')
    const broken = toStream(exec('false'), { plan })
    await t.rejects(broken.toArray(), { code: 'ERR_BYWASH_EXEC', reason: 'exec-error' })
  })
}

t.test('a client that does not read is read from, for as long as the program takes it', async t => {
  const client = connect(script('cat /dev/zero & read line; kill $!; echo stopped'))
  await client.stalled()
  client.send('stop\n')
  const all = await client.receive('stopped\n')
  t.ok(all.length > 0, 'a Ctrl-C gets through')
  client.end()
  await client.outcome
})

t.test('arguments reach the program as they stand', async t => {
  const args = ['$HOME', '`id`', 'a  b', '', '*', "'", '"', '--version', '-n', 'é\n', '; exit 1']
  t.equal(await text(running('printf', ['%s|', ...args])), args.map(arg => `${arg}|`).join(''))
})

t.test('the environment says who the client is', async t => {
  process.env.TCPREMOTEHOST = 'of another connection'
  process.env.BYWASH_TEST_KEPT = 'kept'
  t.teardown(() => {
    delete process.env.TCPREMOTEHOST
    delete process.env.BYWASH_TEST_KEPT
  })
  const list = running('sh', ['-c', 'env | grep -E "^(PROTO|TCP|BYWASH_TEST_KEPT)" | sort'])
  const { port } = await serveLocally(t, list)
  const client = await connectTcp(t, port)
  client.end()
  t.strictSame((await client.receive()).toString().trim().split('\n'), [
    'BYWASH_TEST_KEPT=kept',
    'PROTO=TCP',
    'TCPLOCALIP=127.0.0.1',
    `TCPLOCALPORT=${port}`,
    'TCPREMOTEIP=127.0.0.1',
    `TCPREMOTEPORT=${client.address.split(':')[1]}`,
  ])
  t.equal(await text(list), 'BYWASH_TEST_KEPT=kept\n', 'a transport without addresses gives none')
})

t.test('stderr goes to onError, and changes nothing else', async t => {
  const errors: BywashError[] = []
  const onError = (error: BywashError) => errors.push(error)
  const { port, ended } = await serveLocally(t, script("printf 'one\\ntwo \\033[2J\\nthree' >&2; cat"), {
    onError: onError as never,
  })
  const client = await connectTcp(t, port)
  client.end('fine')
  t.equal((await client.receive()).toString(), 'fine')
  t.equal((await ended(1))[0]?.reason, 'end')
  t.ok(errors.every(error => error instanceof StderrError && error.stage === 'exec'))
  t.strictSame(
    errors.map(({ message }) => message),
    [
      "Stage 'exec': 'sh' says: one",
      "Stage 'exec': 'sh' says: two \\u{1b}[2J",
      "Stage 'exec': 'sh' says: three",
    ],
  )
})

/** What is told of chunks, each of which comes at a time. */
function told(chunks: readonly (readonly [time: number, chunk: string | Buffer])[]): readonly string[] {
  const all: string[] = []
  const clock = { ...fakeClock(), now: () => now }
  let now = 0
  const stderr = new StderrLines(clock as never, what => all.push(what))
  for (const [time, chunk] of chunks) {
    now = time
    stderr.take(Buffer.from(chunk as string))
  }
  stderr.end()
  return all
}

t.test('of stderr, ten lines a second are told, and how much more there was', async t => {
  const ten = 'x\n'.repeat(10)
  const says = (line: string, count = 1) => Array(count).fill(`says: ${line}`)
  t.strictSame(told([[0, ten]]), says('x', 10))
  t.strictSame(told([[0, `${ten}y\nz`]]), [...says('x', 10), 'has written 3 bytes more to stderr.'])
  t.strictSame(
    told([
      [0, `${ten}y`],
      [999, 'more'],
      [1_000, 'rest\nnext\n'],
    ]),
    [
      ...says('x', 10),
      'has written 5 bytes more to stderr.',
      ...says('next'),
      'has written 4 bytes more to stderr.',
    ],
  )
  t.strictSame(
    told([
      [0, ten],
      [500, '\n'],
      [1_000, 'a'],
    ]),
    [...says('x', 10), 'has written 1 byte more to stderr.', ...says('a')],
  )
  const long = 'y'.repeat(1_024)
  t.strictSame(told([[0, `${long}\n${long}zz\nnext`]]), [
    ...says(long, 2),
    ...says('next'),
    'has written 2 bytes more to stderr.',
  ])
  t.strictSame(
    told([
      [0, long],
      [0, 'zz'],
      [0, 'zz\nnext'],
    ]),
    [...says(long), ...says('next'), 'has written 4 bytes more to stderr.'],
  )
  t.strictSame(told([[0, '\n\r\n \n']]), [], 'empty lines are none')
  t.strictSame(told([[0, 'a\u009b\u202eb\u2028é\n']]), says('a\\u{9b}\\u{202e}b\\u{2028}é'))
})

t.test('of stderr, nothing unsafe and no more than ten lines are told, however it is cut', async () => {
  const part = fc.oneof(
    fc.constantFrom('\n', '\r', '\u001b', 'x'.repeat(700), '\u2029'),
    fc.string({ unit: ANY_CHARACTER }),
  )
  const property = fc.property(fc.array(part), fc.array(fc.nat({ max: 5_000 })), (parts, places) => {
    const bytes = Buffer.from(parts.join(''))
    const ends = [...places.map(place => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
    const chunks = ends.map((end, index) => [0, bytes.subarray(ends[index - 1] ?? 0, end)] as const)
    const lines = told(chunks)
    if (lines.some(line => /[\p{C}\u2028\u2029]/u.test(line))) throw new Error('unsafe')
    if (lines.some(line => line.length > 12_000) || lines.length > 11) throw new Error('too much')
    if (JSON.stringify(lines) !== JSON.stringify(told([[0, bytes]])))
      throw new Error('it depends on the cuts')
  })
  fc.assert(property, { numRuns: runs(300) })
})

/** Ignores SIGTERM, and so does what it starts. */
const IGNORING = "trap '' TERM; (sleep 1000; sleep 1000) & echo $$ $!; sleep 1000; sleep 1000"

t.test('at the end of the connection a program gets SIGTERM, and later SIGKILL', async t => {
  const clock = fakeClock()
  const serve = async (text: string) => {
    const { port, ended } = await serveLocally(t, script(text), { clock })
    const client = await connectTcp(t, port)
    const pids = (await client.receive('\n')).toString().split(' ').map(Number)
    client.reset()
    t.equal((await ended(1))[0]?.reason, 'client-reset')
    return pids
  }
  const ignoring = await serve(IGNORING)
  clock.advance(4_999)
  t.strictSame(ignoring.map(isAlive), [true, true], 'both ignore it')
  clock.advance(1)
  await until(() => !ignoring.some(isAlive))

  const obedient = await serve('sleep 1000 & echo $$ $!; wait')
  await until(() => !obedient.some(isAlive))

  const [program = 0, child = 0] = await serve(
    "trap '' TERM; (sleep 1000; sleep 1000) & trap 'exit 0' TERM; echo $$ $!; wait",
  )
  await until(() => !childrenOf().includes(program))
  t.ok(isAlive(child), 'what it has left behind ignores it')
  clock.advance(5_000)
  await until(() => !isAlive(child))
})

t.test('who has left the group keeps no descriptor open', async t => {
  const before = descriptors()
  const added = () => descriptors().filter(one => !before.includes(one))
  const client = connect(script('setsid sleep 1000 & echo $!; cat'))
  const daemon = Number(await client.receive('\n'))
  await until(() => readFileSync(`/proc/${daemon}/comm`, 'utf8') === 'sleep\n')
  const pipes = added()
  t.ok(pipes.length >= 3)
  client.reset()
  await client.outcome
  await until(() => !added().some(one => pipes.includes(one)))
  t.ok(isAlive(daemon), 'nor is it ended')
  process.kill(daemon)
})

t.test('a listener that closes waits for programs, which are killed in time', async t => {
  for (const [grace, patience] of [
    ['3s', 3_000],
    ['1h', 60_000],
  ] as const) {
    const clock = fakeClock()
    const { port, ended, listener } = await serveLocally(t, script(IGNORING, { grace }), { clock })
    const client = await connectTcp(t, port)
    const pids = (await client.receive('\n')).toString().split(' ').map(Number)
    client.reset()
    await ended(1)
    let isClosed = false
    const closed = listener.close().finally(() => {
      isClosed = true
    })
    await new Promise(resolve => setImmediate(resolve))
    t.notOk(isClosed)
    await until(() => {
      clock.advance(patience)
      return isClosed
    })
    await closed
    await until(() => !pids.some(isAlive))
  }
})

t.test('who leaves before the program runs, or cannot be started, leaves nothing behind', async t => {
  const before = descriptors().length
  const list = running('no-such-command', [], { maxProcesses: 1 })
  for (let left = 3; left > 0; left--) {
    const client = connect(list)
    client.reset()
    t.equal((await client.outcome).reason, 'client-reset')
  }
  const outcome = { reason: 'client-reset' } as Outcome
  const early = exec('no-such-command').open(new Connection(1))
  const told: unknown[] = []
  early.start?.({ hold: () => {}, error: (error: unknown) => told.push(error) } as never)
  early.close?.(outcome)
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(told, [], 'it is not even started')
  const next = connect(list)
  await next.receive()
  next.end()
  t.match((await next.outcome).error?.message, /cannot start/)
  await until(() => descriptors().length <= before)
})

t.test('a program that is silent behind the end of the client is given up', async t => {
  const clock = fakeClock()
  const { port, ended } = await serveLocally(t, script('echo $$; exec sleep 1000'), { clock })
  const client = await connectTcp(t, port)
  const pid = Number(await client.receive('\n'))
  client.end('x')
  const late = ended(1)
  let isOver = false
  void late.then(() => {
    isOver = true
  })
  await until(() => {
    clock.advance(10_000)
    return isOver
  })
  t.strictSame(brief((await late)[0] as Outcome), [
    'exec-error',
    "Stage 'exec' has waited 10 s for 'sh', which neither takes nor gives anything.",
  ])
  t.match(await client.closed, { code: 'ECONNRESET' })
  await until(() => !isAlive(pid))
})

t.test('a later stage may end the connection', async t => {
  const list = pipeline().through(exec('yes')).through(lines()).through(take(2)).through(toLines())
  const client = connect(list)
  t.equal((await client.receive()).toString(), 'y\ny\n')
  client.end()
  t.equal((await client.outcome).reason, 'terminated')
})

t.test('code, text and file say the same', async t => {
  const code = running('printf', ['--', '%s|', '-n', '--grace', '1'], { grace: 1_000 })
  const written = formatText(code.stages)
  t.equal(written, "exec --grace 1s -- printf -- '%s|' -n --grace 1")
  const ofText = (text: string) => {
    const { pipeline: built, problems } = pipelineOfText(text, builtIn())
    t.strictSame(problems, [])
    return built as Pipeline<Buffer, Buffer>
  }
  t.equal(formatText(ofText(written).stages), written)
  t.equal(await text(ofText("exec --grace 1s printf '%s|' -n --grace -- 1")), '-n|--grace|--|1|')
  t.equal(await text(ofText('exec echo')), '\n')
  const ofFile = async (step: unknown) => {
    const listeners = [{ name: 'a', pipeline: [{ exec: step }] }]
    return readConfiguration(JSON.stringify({ listeners }), { environment: {}, folder: '.' })
  }
  for (const step of [
    ['printf', '%s|', 'a b', '--x', { grace: '1s' }],
    ['printf', ['%s|', 'a b', '--x']],
    { command: 'printf', args: ['%s|', 'a b', '--x'], maxProcesses: 7 },
  ]) {
    const { configuration, problems } = await ofFile(step)
    t.strictSame(problems, [])
    t.equal(await text(configuration?.listeners[0]?.pipeline as Pipeline<Buffer, Buffer>), 'a b|--x|')
  }
  const { configuration } = await ofFile('echo')
  t.equal(await text(configuration?.listeners[0]?.pipeline as Pipeline<Buffer, Buffer>), '\n')
  const { problems } = await ofFile(['head', '-n', 5])
  t.match(problems, [
    { message: "Stage 'exec': 'args' is a list of texts; got 5.", remedy: 'Put it in quotes.' },
  ])
  t.match(pipelineOfText('exec', builtIn()).problems, [{ message: /needs 'command'/ }])
})

t.test('what no program can be given is refused when the stage is made', async t => {
  for (const [command, args, options] of [
    [''],
    [7],
    ['a\0b'],
    ['a', ['\0']],
    ['a', [7]],
    ['a', [undefined]],
    ['a', 7],
    ['a', [], { maxProcesses: 0 }],
    ['a', [], { grace: -1 }],
    ['a', [], { shell: true }],
  ] as const) {
    t.throws(() => exec(command as never, args as never, options as never), InvalidOptionError)
  }
  t.equal(exec('a').name, 'exec')
  t.equal(exec('a', 'b' as never, { grace: '2m', maxProcesses: 1 }).name, 'exec')
})
