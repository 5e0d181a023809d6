import stringWidth from 'string-width'
import t from 'tap'
import { presets } from '../../../lib/presets/index.js'
import { catalogue } from '../../../lib/stages/catalogue.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

async function run(argv: readonly string[], columns?: number): Promise<string> {
  const io = Object.assign(new FakeIo())
  Object.assign(io.stdout, { columns })
  const { exitCode, printed, logged } = await runCommand(argv, '', io)
  t.strictSame([exitCode, logged], [0, ''])
  return printed
}

const ALL = [...catalogue.values()].map(({ definition }) => definition)

t.test('stages lists every stage with its kinds and what it does', async t => {
  const printed = await run(['stages'], 200)
  for (const { summary } of ALL) t.ok(printed.includes(`  ${summary}\n`), summary)
  t.match(printed, /^STAGE +TAKES +GIVES\n/)
  t.match(printed, /^length-prefixed {2,}bytes {5}frames {4}\S/m)
  t.match(printed, /^take +any kind {2}the same {2}\S/m)
})

t.test('stages and presets fit the terminal', async t => {
  for (const columns of [45, 57, 80, 132]) {
    for (const argv of [['stages'], ['presets'], ...ALL.map(({ name }) => ['stages', name])]) {
      const printed = (await run(argv, columns)).replace(/\nExamples:.*/s, '')
      const widest = Math.max(...printed.split('\n').map(line => stringWidth(line)))
      if (widest > columns) t.fail(`${argv.join(' ')}: ${widest} of ${columns} columns`)
    }
  }
  t.equal(await run(['stages'], 0), await run(['stages'], 80), 'a terminal that does not know its width')
  t.equal(await run(['stages']), await run(['stages'], 80), 'no terminal')
})

t.test('stages and a name describes the stage: kinds, options, values, defaults, examples', async t => {
  const printed = await run(['stages', 'lines'], 200)
  t.match(
    printed,
    /^lines \[options\]: cuts bytes into lines\nTakes bytes, gives lines; with --encoding buffer it gives frames\.\n\n/,
  )
  t.match(printed, /^--max-length {2}the longest line, .* \(1 to 256MiB; default: 64KiB\)$/m)
  t.match(printed, /^--keep .*\(default: off\)$/m)
  t.match(printed, /\n\nExamples:\n {2}lines --max-length 4KiB /)
  t.match(await run(['stages', 'welcome'], 200), /^welcome <text>: .*\n\n<text> {2}.* \(text\)$/ms)
  t.match(await run(['stages', 'delimited'], 500), /^--delimiters .*; required\)$/m)
  t.match(await run(['stages', 'counter'], 200), /^--on-open .*\(in code only\)$/m)
  t.equal(await run(['stages', 'toBase64']), await run(['stages', 'to-base64']), 'as in code or as in a text')
})

t.test('says what a stage takes and gives with an option that changes it', async t => {
  for (const [name, sentence] of [
    ['lines', 'Takes bytes, gives lines; with --encoding buffer it gives frames.'],
    ['toLines', 'Takes lines, gives bytes; with --encoding buffer it takes frames.'],
    ['throttle', 'Takes any kind, gives the same; with --bytes-per-second it takes bytes and gives bytes.'],
  ]) {
    t.match(await run(['stages', `${name}`], 200), sentence)
  }
})

t.test('describes the stage of a module, which has no examples', async t => {
  const io = new FakeIo()
  io.folder = t.testdir({
    'own.mjs': "import { map } from 'bywash'\nexport const own = map('own', line => line)\n",
  })
  t.match(await runCommand(['stages', 'own', '--import', 'own.mjs'], '', io), {
    printed: 'own\nTakes lines, gives lines.\n',
  })
})

t.test('--json prints the definitions', async t => {
  t.strictSame(JSON.parse(await run(['stages', '--json'])), JSON.parse(JSON.stringify(ALL)))
  t.match(JSON.parse(await run(['stages', 'lines', '--json'])), {
    name: 'lines',
    accepts: 'bytes',
    emits: 'line',
  })
})

t.test('a wrong name gets a near one, and exits 2', async t => {
  for (const [name, remedy] of [
    ['lins', "Did you mean 'lines'?"],
    ['tobase64', "Did you mean 'to-base64'"],
    ['echo', "It is a preset, which 'bywash presets' lists."],
    ['qqqqqq', "'bywash stages' lists them all."],
  ]) {
    const { exitCode, printed, logged } = await runCommand(['stages', `${name}`])
    t.strictSame([exitCode, printed], [2, ''])
    t.ok(logged.startsWith(`error: There is no stage '${name}'. ${remedy}`), logged)
  }
})

t.test('presets lists every preset with its text', async t => {
  const printed = (await run(['presets'], 500)).split('\n')
  for (const { name, summary } of presets) {
    const index = printed.findIndex(line => line.startsWith(name))
    t.match(printed[index], summary)
    t.match(printed[index + 1], /^ +\S/)
  }
  const json = JSON.parse(await run(['presets', '--json']))
  t.match(json[0], { name: 'echo', text: 'echo', options: {} })
  t.match(json[3], {
    name: 'uppercase',
    text: /^lines .* \| uppercase \| to-lines .*/,
    options: { maxLength: { default: 4096 } },
  })
})
