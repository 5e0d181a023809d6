import t from 'tap'
import { FIRST_FILE } from '../../../lib/cli/commands/init.js'
import { loadFile } from '../../../lib/config/file/load-file.js'

const OPTIONS = { environment: {} }

t.test('a good file has a configuration, also with a byte order mark or CR LF', async t => {
  const folder = t.testdir({
    'plain.yaml': FIRST_FILE,
    'mark.yaml': `\ufeff${FIRST_FILE}`,
    'crlf.yaml': FIRST_FILE.replaceAll('\n', '\r\n'),
  })
  for (const name of ['plain', 'mark', 'crlf']) {
    const { configuration, problems } = await loadFile(`${folder}/${name}.yaml`, OPTIONS)
    t.strictSame(problems, [], name)
    t.equal(configuration?.listeners[0]?.name, 'shout')
  }
  t.equal((await loadFile(`${folder}/crlf.yaml`, OPTIONS)).text, FIRST_FILE.replaceAll('\n', '\r\n'))
})

t.test('a file that cannot be loaded says at which line and column why not', async t => {
  const folder = t.testdir({
    'crlf.yaml': 'listeners:\r\n  - { name: "é\\u001b[31m", pipeline: echo }\r\n',
    'mark.yaml': '\ufefflisteners: 5',
    'latin1.yaml': Buffer.from('listeners: \xe9', 'latin1'),
    'longest.yaml': '#'.repeat(1_048_576),
    'longer.yaml': '#'.repeat(1_048_577),
  })
  const problems = async (name: string) => {
    const { configuration, problems } = await loadFile(`${folder}/${name}`, OPTIONS)
    t.equal(configuration, undefined)
    return problems.map(problem => problem.replaceAll(folder, ''))
  }
  const expected = {
    'crlf.yaml':
      "2:13: \"é\\u001b[31m\" is no name for a listener. Use letters, digits, '-', '_' and '.', at most 64.",
    'mark.yaml': "1:12: 'listeners' is a list; got 5. Begin each item with '- '.",
    'latin1.yaml': '1:1: The file is not UTF-8. Save it as UTF-8.',
    'longest.yaml': "1:1: The file is empty. Begin with 'listeners:', or let 'bywash init' write a file.",
    'longer.yaml': '1:1: The file is longer than 1048576 bytes. Make several of it.',
    'none.yaml': "1:1: There is no such file. 'bywash init' writes one.",
    '': '1:1: This is a directory. Name a file in it.',
    'latin1.yaml/x': "1:1: The file cannot be read: ENOTDIR: not a directory, open '/latin1.yaml/x'.",
  }
  for (const [name, problem] of Object.entries(expected)) {
    t.strictSame(await problems(name), [`/${name}:${problem}`])
  }
})

t.test('what only looks like a quote, a dash or a space is named, and so is UTF-16', async t => {
  const folder = t.testdir({
    'bad.yaml':
      'listeners:\n  - { name: “a”, pipeline: echo, listen: { idleTimeout: “5s” }, –x: 1, \ufeffy: 1 }\n',
    'little.yaml': Buffer.from('\ufefflisteners: []', 'utf16le'),
    'big.yaml': Buffer.from('\ufefflisteners: []', 'utf16le').swap16(),
  })
  const { problems, placed } = await loadFile(`${folder}/bad.yaml`, OPTIONS)
  t.strictSame(
    placed.map(({ message, remedy }) => [message, remedy]),
    [
      ['"“a”" is no name for a listener.', `“ is a typographic quote: write ' or ".`],
      [
        `'idleTimeout' is a whole number, from 0 to 2147483647; got "“5s”".`,
        `“ is a typographic quote: write ' or ".`,
      ],
      ["A listener takes no '–x'.", '– is a typographic dash: write - or --.'],
      ["A listener takes no '\ufeffy'.", 'U+FEFF is a byte order mark: save the text without one.'],
    ],
  )
  t.match(
    problems[2],
    /bad\.yaml:2:\d+: A listener takes no '–x'\. – is a typographic dash: write - or --\.$/,
  )
  for (const name of ['little', 'big']) {
    t.strictSame((await loadFile(`${folder}/${name}.yaml`, OPTIONS)).problems, [
      `${folder}/${name}.yaml:1:1: The file is UTF-16, as its byte order mark says. Save it as UTF-8.`,
    ])
  }
  t.match((await loadFile('“a.yaml”', OPTIONS)).placed, [
    { message: 'There is no such file.', remedy: `“ is a typographic quote: write ' or ".` },
  ])
})

t.test('a device that never ends is not read to its end', async t => {
  const { problems } = await loadFile('/dev/zero', OPTIONS)
  t.strictSame(problems, ['/dev/zero:1:1: The file is longer than 1048576 bytes. Make several of it.'])
})

t.test('control characters of a file do not reach a terminal with its problems', async t => {
  const folder = t.testdir({ 'bad.yaml': '\u009b31m: 1\nlisteners: [{ name: a, pipeline: echo }]' })
  const { problems } = await loadFile(`${folder}/bad.yaml`, OPTIONS)
  t.equal(problems.length, 1)
  t.notMatch(problems[0], /[\u0080-\u009f]/)
})
