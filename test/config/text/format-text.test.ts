import { PassThrough } from 'node:stream'
import t from 'tap'
import { builtIn } from '../../../lib/config/registry.js'
import { formatStage, formatText } from '../../../lib/config/text/format-text.js'
import { defaultInWords, valuesInWords } from '../../../lib/config/text/option-words.js'
import { pipelineOfText } from '../../../lib/config/text/text-pipeline.js'
import { counter, defineStage, grep, lines, map, option, pipeline, tee, welcome } from '../../../lib/index.js'

t.test('a list of stages is written with what was given, quoted where it must be', async t => {
  const stages = pipeline().through(lines({ maxLength: 4096, keep: true })).stages
  t.equal(formatText(stages), 'lines --keep --max-length 4096')
  t.equal(formatText([]), 'echo', 'no stage is what echo has')
  t.equal(formatStage(grep('--x', { invert: false })), 'grep --no-invert -- --x')
  t.equal(formatStage(welcome("it's 5 |\n")), `welcome 'it'\\''s 5 |\\n'`)
  t.equal(formatStage(welcome('')), "welcome ''")
  t.equal(
    formatStage(welcome(Buffer.from([0xff, 0x41, 0x5c]))),
    "welcome '\\xffA\\\\'",
    'bytes that are no UTF-8',
  )
  t.equal(formatStage(welcome('é\u2028\u001b')), "welcome 'é\\xe2\\x80\\xa8\\x1b'", 'no control characters')
})

t.test('a time is written with its unit, as texts have it, and other numbers are not', async t => {
  const wait = defineStage({
    name: 'wait',
    summary: 'waits',
    accepts: 'line',
    emits: 'line',
    arguments: [{ time: option.integer({ help: 'how long', unit: 'ms' }) }],
    options: {
      most: option.integer({ help: 'how long at most', unit: 'ms', default: 5000 }),
      size: option.integer({ help: 'how much', unit: 'bytes', default: 1024 }),
    },
    make: settings => map(JSON.stringify(settings), line => line),
  })
  const registry = { ...builtIn(), stages: new Map([...builtIn().stages, ['wait', wait]]) }
  const stage = wait('1.5s', { most: 60_000, size: '4KiB' })
  t.equal(stage.name, '{"most":60000,"size":4096,"time":1500}')
  const text = 'wait --most 1m --size 4096 1500ms'
  t.equal(formatStage(stage), text)
  const { pipeline } = pipelineOfText(`lines | ${text} | to-lines`, registry)
  t.equal(pipeline?.stages[1]?.name, stage.name)
  t.match(pipelineOfText('lines | wait 5 --most=60 | to-lines', registry).problems, [
    { message: `Stage 'wait': 'time' is a time with a unit, such as 5s or 5ms; got "5".` },
    { message: `Stage 'wait': '--most' is a time with a unit, such as 60s or 60ms; got "60".` },
  ])
  t.throws(() => wait('5'), { message: `wait(): 'time' is a time with a unit, such as 5s or 5ms; got "5".` })
})

t.test('what only code can give is left out, and a stage without a definition is its name', async t => {
  t.equal(formatStage(counter({ onOpen: () => {} })), 'counter')
  t.equal(formatStage(tee({ to: new PassThrough(), onLag: 'fail' })), 'tee --on-lag fail')
  t.equal(formatStage(map('my stage', line => line)), "'my stage'")
  const call = defineStage({
    name: 'call',
    summary: 'calls',
    accepts: 'line',
    emits: 'line',
    arguments: [{ by: option.callback<() => void>({ help: 'what', inCode: '() => void' }) }],
    make: () => map('call', line => line),
  })
  t.equal(formatStage(call(() => {})), 'call')
})

t.test('the values and the default of an option have words', async t => {
  const help = ''
  const words = [
    [option.integer({ help, minimum: 1 }), 'from 1', ''],
    [option.integer({ help, maximum: 4096, unit: 'bytes', default: 1024 }), '0 to 4KiB', '1KiB'],
    [option.integer({ help, required: true }), 'from 0', 'required'],
    [option.choice(['\n', 2], { help, default: '\n' }), '\\n, 2', '\\n'],
    [option.boolean({ help, default: true }), '', 'on'],
    [option.boolean({ help, default: false }), '', 'off'],
    [option.text({ help, absent: 'none' }), 'text', 'none'],
    [option.listOfBytes({ help, required: true }), 'text, may be repeated', 'required'],
    [option.callback({ help, inCode: '() => void' }), 'in code only', ''],
  ] as const
  for (const [one, values, defaultValue] of words) {
    t.equal(valuesInWords(one), values)
    t.equal(defaultInWords(one), defaultValue)
  }
})
