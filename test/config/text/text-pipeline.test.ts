import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { withImports } from '../../../lib/config/import-stages.js'
import { showProblems } from '../../../lib/config/problem.js'
import { builtIn } from '../../../lib/config/registry.js'
import { formatText } from '../../../lib/config/text/format-text.js'
import { pipelineOfText } from '../../../lib/config/text/text-pipeline.js'
import { defineStage, originOf } from '../../../lib/define-stage.js'
import { integer, text } from '../../../lib/options/option.js'
import { map } from '../../../lib/stage.js'
import { runStage } from '../../../lib/testing/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { RUNS_ALL, runs } from '../../runs.js'

/** A text that has no problems, as a pipeline. */
function read(text: string) {
  const { pipeline, problems } = pipelineOfText(text, builtIn())
  if (pipeline === undefined) throw new Error(showProblems(text, problems))
  return pipeline
}

/** The problems of a text as they are shown. */
function refusal(text: string): string {
  const { pipeline, problems } = pipelineOfText(text, builtIn())
  return pipeline === undefined ? showProblems(text, problems) : 'none'
}

/** What the stages of a text were given. */
const given = (text: string) => read(text).stages.map(stage => originOf(stage)?.given)

async function answer(text: string, input: string | Buffer) {
  return Buffer.concat(await runStage(read(text), [Buffer.from(input as string)])).toString('latin1')
}

t.test('each bad text has its problems, all of them, with carets under their places', async t => {
  const texts = readFileSync('test/config/text/bad-texts.txt', 'utf8').split(/^====\n/m)
  t.ok(texts.length >= 60, 'many texts')
  for (const each of texts) {
    const [text = '', expected = ''] = each.split(/\n----\n/)
    t.equal(`${refusal(text)}\n`, expected, JSON.stringify(text))
  }
})

t.test('a text names stages, with options before and behind arguments', async t => {
  t.equal(
    await answer("lines --max-length 4KiB | uppercase | to-lines | welcome 'Hi there\\n'", 'a\n'),
    'Hi there\nA\n',
  )
  for (const text of [
    'grep --invert a',
    'grep a --invert',
    'grep --invert=true --text a',
    'grep --text=a --invert',
  ])
    t.equal(await answer(`lines | ${text} | to-lines`, 'a\nb\n'), 'b\n', text)
  t.equal(await answer('lines | grep a --no-invert | to-lines', 'a\nb\n'), 'a\n')
  t.equal(await answer('lines|grep -- --invert|to-lines', 'a\n--invert\n'), '--invert\n', 'behind -- is text')
  t.equal(await answer('lines | grep -x | to-lines', 'a\n-x\n'), '-x\n', 'one dash is text')
  t.strictSame(given('lines --maxLength 5 | toHex'.replace('toHex', 'toLines')), [{ maxLength: 5 }, {}])
  t.strictSame(given('toHex'), given('to-hex'))
})

t.test('sizes, times and rates have units', async t => {
  t.strictSame(given('lines --max-length 4KiB | to-lines')[0], { maxLength: 4096 })
  t.strictSame(given("lines --max-length '1 MiB' | to-lines")[0], { maxLength: 1_048_576 })
  t.strictSame(given('throttle --bytes-per-second 1.5KiB/s --burst 10KiB')[0], {
    bytesPerSecond: 1536,
    burst: 10_240,
  })
})

t.test('quotes and escapes make words of anything', async t => {
  const words: [string, string][] = [
    ["'a b'", 'a b'],
    ['"a b"', 'a b'],
    ['a\\ b', 'a b'],
    [`a' 'b`, 'a b'],
    [`"it's"`, "it's"],
    [`'$HOME \`id\` $(id)'`, '$HOME `id` $(id)'],
    ['\\$HOME', '$HOME'],
    ['"a|b"', 'a|b'],
    ['a=b', 'a=b'],
    ['~', '~'],
    ['*.[ch]?!', '*.[ch]?!'],
    ["''", ''],
    ["'tab\\tnew\\nnul\\0back\\\\e\\xc3\\xa9'", 'tab\tnew\nnul\0back\\e\xc3\xa9'],
    ['日本', Buffer.from('日本').toString('latin1')],
  ]
  for (const [word, bytes] of words) t.equal(await answer(`welcome ${word}`, ''), bytes, word)
  t.equal(await answer("welcome '\\xff\\x00'", ''), '\xff\0', 'bytes that are no UTF-8')
  t.equal(await answer("lines --delimiter '\\r\\n' | to-lines", 'a\nb\r\n'), 'a\nb\n')
})

t.test('a text may go on behind a | or a backslash at the end of a line', async t => {
  t.equal(await answer('lines |\n  uppercase |\n\n  toLines', 'a'), 'A\n')
  t.equal(await answer('lines \\\n  --max-length 5 \\\n  | to-lines', 'a'), 'a\n')
})

t.test('a list is given by giving its option several times', async t => {
  t.strictSame(given("delimited --delimiters a --max-length 9 --delimiters 'b\\n' | to-delimited c")[0], {
    delimiters: ['a', 'b\n'],
    maxLength: 9,
  })
  t.strictSame(given('delimited --delimiters a | to-delimited c')[0], { delimiters: ['a'] })
})

t.test('presets stand in a text by name, and preset: means one where a stage has its name', async t => {
  t.match(await answer('uppercase', 'a'), /shout it back\.\nA\n$/, 'alone it is the preset')
  t.equal(await answer('echo', 'a'), 'a')
  t.equal(await answer('echo | to-hex | echo', 'a'), '61', 'between stages')
  t.equal(await answer('preset:uppercase --banner hi --max-length 5 | to-hex', 'a'), '6869410a')
  const lines: string[] = []
  const { pipeline } = pipelineOfText('counter', builtIn(), line => lines.push(line))
  await runStage(pipeline!, [])
  t.match(lines, [/new client/, /disconnected/], 'a preset prints where it is told to')
})

t.test('a value is checked once, and the stage is made of it', async t => {
  const number = integer({ help: 'how often each line comes' })
  const checked: unknown[] = []
  const refusal = (name: string, value: unknown) => {
    checked.push(value)
    return number.refusal(name, value)
  }
  const repeat = defineStage({
    name: 'repeat',
    summary: 'repeats each line',
    accepts: 'line',
    emits: 'line',
    options: { times: { ...number, refusal }, between: text({ help: 'what stands between', default: '' }) },
    make: ({ times = 1, between }, given) =>
      map('repeat', line => Array(times).fill(line).join(between) + Object.keys(given)),
  })
  const registry = { ...builtIn(), stages: new Map([...builtIn().stages, ['repeat', repeat]]) }
  const { pipeline } = pipelineOfText('lines | repeat --times 2 | to-lines', registry)
  t.strictSame(checked, [2])
  t.strictSame(await runStage(pipeline!, [Buffer.from('a')]), [Buffer.from('aatimes\n')])
  t.match(originOf(pipeline!.stages[1]!)?.settings, { times: 2, between: '' })
})

t.test('a text that is too long, or has too many stages, is refused at once', async t => {
  t.match(refusal('x'.repeat(65_537)), /^error: The text is longer than 65536 characters\. Write a file\./)
  t.match(refusal(`${'lines | to-lines | '.repeat(128)}counter`), /at most 256 stages; this is one more/)
  t.equal(read(`${'lines | to-lines | '.repeat(127)}counter`).stages.length, 255)
})

t.test('however long a text is, what is said of it is short', async t => {
  const texts = [
    'x',
    '(',
    '$(',
    '"$(',
    '`',
    '$((',
    '{ ',
    '@(',
    '${a',
    '<<x ',
    '\\',
    'if ',
    '{a,',
    "'",
    'x=(',
    '*',
  ]
  const part = RUNS_ALL ? 1 : 4
  const long = texts.map(piece => piece.repeat(65_536 / piece.length / part))
  long.push(
    `lines --max-length ${'9'.repeat(65_000 / part)}`,
    `lines ${'a '.repeat(32_000 / part)}| to-lines`,
  )
  long.push(
    `lines ${'--a '.repeat(16_000 / part)}| to-lines`,
    `${'x|'.repeat(250)}x`,
    `日${'本'.repeat(65_000 / part)}`,
  )
  for (const text of long) {
    const shown = refusal(text)
    t.not(shown, 'none', text.slice(0, 20))
    t.ok(shown.length < 20_000, `${text.slice(0, 20)}: ${shown.length} characters`)
    for (const line of shown.split('\n')) t.ok(line.length < 1000, text.slice(0, 20))
  }
  t.match(refusal(`${'x | '.repeat(30)}x`), /\nand 11 more$/)
})

t.test('control characters of a text do not reach the terminal', async t => {
  const shown = refusal("lines\u001b[31m\u202e --x\u0007 | grep '\u001b' | \u009b | to-lines")
  t.notMatch(shown, /[^\P{C}\n]/u)
  t.equal(
    refusal('\u0007 | to-lines').split('\n')[1],
    '  \u{fffd} | to-lines',
    'each is one character, so that the caret stands under its place',
  )
})

t.test('lines of a text may end in CRLF', async t => {
  for (const text of [
    'lines |\r\nuppercase |\r\nto-lines\r\n',
    'lines | uppercase | to-lines\r',
    'lines \\\r\n| uppercase \\\r\n | to-lines',
    '\r\nlines | uppercase |\r\n\r\nto-lines',
  ]) {
    t.equal(formatText(read(text).stages), 'lines | uppercase | to-lines', JSON.stringify(text))
  }
  for (const [quoted, value] of [
    ["'a\r\nb'", 'a\r\nb'],
    ['"a\\"\r\nb"', 'a"\r\nb'],
    ["$'it\\'s\r\nb'", "it's\r\nb"],
  ] as const) {
    t.strictSame(given(`welcome ${quoted}\r\n`), [{ text: value }], 'what is in quotes stays as it is')
  }
  t.equal(
    refusal('lines |\r\nuppercas |\r\nto-lines\r\n'),
    "error: There is no stage 'uppercas'. Did you mean 'uppercase', 'preset:uppercase' or 'lowercase'?\n" +
      '  uppercas |\n  ^^^^^^^^',
    'and the CR is not shown',
  )
})

t.test('what only looks like a quote, a dash or a space is named', async t => {
  for (const [text, message] of [
    ['lines | grep “x y” | to-lines', `this is one more. ” is a typographic quote: write ' or ".`],
    ['‘lines | to-lines’', `There is no stage '‘lines'. ‘ is a typographic quote: write ' or ".`],
    ['lines —max-length 5 | to-lines', 'this is one more. — is a typographic dash: write - or --.'],
    ['lines\u00a0| to-lines', 'U+00A0 is no plain space: write one.'],
    ['\ufefflines | to-lines', 'U+FEFF is a byte order mark: save the text without one.'],
  ] as const) {
    t.ok(refusal(text).includes(message), refusal(text))
  }
  t.equal(pipelineOfText('lines | grep “ | to-lines', builtIn()).problems.length, 0, 'each may be data')
})

t.test('docs/text.md shows errors as they are, and texts that are pipelines', async t => {
  const page = readFileSync('docs/text.md', 'utf8')
  const [shown = ''] = /^error: .*?(?=^```)/ms.exec(page) ?? []
  t.equal(`${refusal('lines | uppercase --mod ascii | welcome hi')}\n`, shown)
  const registry = await withImports(builtIn(), ['examples/my-stages.js'], '.')
  const commands = [...page.matchAll(/^npx bywash (?:run|pipe) (["'])(.*?)\1/gm)]
  t.ok(commands.length >= 3)
  for (const [, , text = ''] of commands) t.strictSame(pipelineOfText(text, registry).problems, [], text)
})

/** Pieces that a shell gives a meaning, and those of real texts. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      'lines',
      'toLines',
      'welcome',
      'grep',
      'uppercase',
      'take',
      '--max-length',
      '--invert',
      '--',
      '5',
      '4KiB',
    ],
    ...[
      '|',
      ' ',
      '\n',
      '\t',
      '\r',
      '\\',
      '"',
      "'",
      '$',
      '$(',
      ')',
      '`',
      '{',
      '}',
      '((',
      '))',
      '<',
      '>',
      '<<',
      '&',
    ],
    ...[
      '||',
      ';',
      '#',
      '=',
      '~',
      '*',
      '?',
      '[',
      ']',
      '[[',
      '!',
      'if',
      'for',
      'case',
      'in',
      'do',
      '@(',
      "$'",
      '${',
    ],
    ...['\0', '\u001b', 'é', '日', '🎉', '\ud800', '__proto__', 'constructor', 'preset:'],
  ),
  fc.string({ unit: ANY_CHARACTER }),
)
const anyText = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join('')),
  fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join(' ')),
)

t.test('any text is a pipeline or has problems, each with a place within the text', async t => {
  fc.assert(
    fc.property(anyText, text => {
      const { pipeline, problems } = pipelineOfText(text, builtIn())
      if ((pipeline === undefined) !== problems.length > 0) return false
      showProblems(text, problems)
      return problems.every(
        ({ at, message }) =>
          at.start >= 0 &&
          at.start <= at.end &&
          at.end <= text.length &&
          message !== '' &&
          !/undefined/.test(message),
      )
    }),
    { numRuns: runs(3000) },
  )
  t.pass()
})

t.test('a text that has no problems, written anew, is the same pipeline', async t => {
  fc.assert(
    fc.property(anyText, text => {
      const { pipeline } = pipelineOfText(text, builtIn())
      if (pipeline === undefined) return true
      const again = read(formatText(pipeline.stages))
      return formatText(again.stages) === formatText(pipeline.stages)
    }),
    { numRuns: runs(3000) },
  )
  t.pass()
})
