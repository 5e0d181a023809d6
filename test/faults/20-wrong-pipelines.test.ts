import t, { type Test } from 'tap'
import { lines, listen, type Pipeline, pipeline, toLines, uppercase } from '../../lib/index.js'
import { startCommand } from '../cli/start-command.js'
import { underFault } from './oracle.js'

async function bywash(t: Test, ...argv: string[]): Promise<{ code: unknown; printed: string }> {
  const { exited, log, printed } = startCommand(t, argv)
  const [code] = await exited
  return { code, printed: printed() + log() }
}

/** Every one of them is given a port that is taken: had it been tried, the error would be another. */
function onTakenPort(t: Test, provoke: (port: number) => Promise<void>): Promise<void> {
  return underFault(t, { pipeline: 'lines', reasons: {} }, ({ port }) => provoke(port))
}

t.test('20: wrong order of stages, unknown stage, bad option (code)', t =>
  onTakenPort(t, async port => {
    const address = { host: '127.0.0.1', port }
    // @ts-expect-error the order is wrong
    t.throws(() => pipeline().through(uppercase()), {
      code: 'ERR_BYWASH_STAGE_ORDER',
      message: /'uppercase' takes lines, but the pipeline gives bytes/,
    })
    t.throws(() => lines({ maxLenght: 7 } as object), {
      code: 'ERR_BYWASH_INVALID_OPTION',
      message: /^lines\(\) has no option 'maxLenght'\. It takes .*maxLength/,
    })
    const unfinished = pipeline().through(lines()) as unknown as Pipeline<Buffer, Buffer>
    await t.rejects(listen(unfinished, address), { code: 'ERR_BYWASH_STAGE_ORDER' })
    const whole = pipeline().through(lines()).through(toLines())
    await t.rejects(listen(whole, { ...address, idleTimout: 7 } as object), {
      code: 'ERR_BYWASH_INVALID_OPTION',
      message: /has no option 'idleTimout'/,
    })
  }),
)

t.test('20: wrong order of stages, unknown stage, bad option (text)', t =>
  onTakenPort(t, async port => {
    for (const [pipeline, message] of [
      ['uppercase | lines', /uppercase/],
      ['lines | upercase | to-lines', /upercase[\s\S]*uppercase/],
      ['lines --max-lenght 7 | to-lines', /max-lenght[\s\S]*max-length/],
      ['lines | to-lines |', /./],
    ] as const) {
      const { code, printed } = await bywash(
        t,
        'run',
        pipeline,
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
      )
      t.equal(code, 2, pipeline)
      t.match(printed, message, pipeline)
      t.notMatch(printed, /already in use|\n {4}at /, pipeline)
    }
  }),
)

t.test('20: wrong order of stages, unknown stage, bad option (file)', t =>
  onTakenPort(t, async port => {
    const file = (pipeline: string) =>
      `listeners:\n  - name: one\n    listen: { host: 127.0.0.1, port: ${port} }\n    pipeline: [${pipeline}]\n`
    for (const [pipeline, message] of [
      ['uppercase, lines', /uppercase/],
      ['lines, upercase, toLines', /upercase[\s\S]*uppercase/],
      ['lines: { maxLenght: 7 }, toLines', /maxLenght[\s\S]*maxLength/],
    ] as const) {
      const folder = t.testdir({ 'bywash.yaml': file(pipeline) })
      const { code, printed } = await bywash(t, 'serve', `${folder}/bywash.yaml`)
      t.not(code, 0, pipeline)
      t.match(printed, message, pipeline)
      t.match(printed, /bywash\.yaml:4:\d+/, 'with its place')
      t.notMatch(printed, /already in use|\n {4}at /, pipeline)
    }
  }),
)
