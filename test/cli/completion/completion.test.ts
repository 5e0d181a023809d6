import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { shellWord } from '../../../lib/cli/completion/shell-word.js'
import { presets } from '../../../lib/presets/index.js'
import { inTerminal, NO_TERMINAL } from '../pseudo-terminal.js'
import { runCommand } from '../run-command.js'

/** The completions of a line, such as a script asks for them. */
async function completed(words: readonly string[], shell = 'zsh'): Promise<readonly string[]> {
  const { exitCode, printed, logged } = await runCommand(['completion', shell, '--', ...words])
  t.strictSame([exitCode, logged], [0, ''])
  return printed.split('\n').flatMap(line => (line === '' ? [] : [line.replace(/\t.*/, '')]))
}

t.test('completes commands', async t => {
  const all = await completed([''])
  for (const name of ['run', 'pipe', 'completion', ...presets.map(({ name }) => name)])
    t.ok(all.includes(name), name)
  t.strictSame(await completed(['st']), ['stages'])
  t.strictSame(await completed(['--']), ['--help', '--version'])
  t.strictSame(await completed(['version', '']), [])
  t.match(await runCommand(['completion', 'fish', '--', 'pi']), {
    printed: 'pipe\trun a pipeline from stdin to stdout\n',
  })
})

t.test('completes the flags of a command and their choices', async t => {
  t.strictSame(await completed(['pipe', '--']), [
    '--import',
    '--plan',
    '--in',
    '--out',
    '--profile',
    '--help',
  ])
  t.strictSame(await completed(['pipe', '--plan', '']), ['fused', 'streams'])
  t.strictSame(await completed(['pipe', '--plan=s']), ['--plan=streams'])
  t.strictSame(await completed(['uppercase', '--overflow', 't']), ['truncate'])
  t.strictSame(await completed(['stages', '--json', '--help=x']), [], 'a flag without a value')
})

t.test('asks for files where a file is wanted, and nowhere else', async t => {
  for (const words of [
    ['pipe', '--in', ''],
    ['pipe', '--in=x'],
    ['run', '--import', 'x'],
    ['check', 'a.yaml', 'b'],
    ['explain', 'x'],
  ]) {
    t.strictSame(await completed(words), ['/'], words.join(' '))
  }
  for (const words of [
    ['run', '--port', ''],
    ['connect', ''],
    ['test', 'a.yaml', ''],
    ['nothing', ''],
  ]) {
    t.strictSame(await completed(words), [], words.join(' '))
  }
})

t.test('completes stages, and the options of stages in a text', async t => {
  t.strictSame(await completed(['stages', 'to-h']), ['to-hex'])
  t.strictSame(await completed(['pipe', 'to-l']), ['to-length-prefixed', 'to-lines'])
  t.strictSame(await completed(['pipe', '--plan', 'fused', "'lines | upp"]), ['lines | uppercase'])
  t.strictSame(await completed(['run', '"lines --max']), ['lines --max-length'])
  t.strictSame(await completed(['run', "'echo | lines --overflow t"]), ['echo | lines --overflow truncate'])
  t.strictSame(await completed(['connect', 'x:1', '--receive', 'line']), ['lines'])
  t.strictSame(await completed(['run', "'nothing --m"]), [])
  t.strictSame(await completed(['run', "'lines | json-lines --invalid=re"]), [
    'lines | json-lines --invalid=report',
  ])
  t.strictSame(await completed(['run', "'lines --overflow=t"]), ['lines --overflow=truncate'])
  t.strictSame(await completed(['run', "'lines --max-length="]), [])
  t.strictSame(await completed(['run', "'nothing --invalid=re"]), [])
  t.strictSame(await completed(['connect', 'x', 'line']), ['lines'])
  t.strictSame(await completed(['run', "'exec --gra"]), ['exec --grace'])
  t.strictSame(await completed(['run', "'exec --grace 1s --max"]), ['exec --grace 1s --max-processes'])
  t.strictSame(await completed(['run', "'exec tr --gra"]), [], 'behind the command stand its own options')
  t.strictSame(await completed(['help', 'ru']), ['run'])
  t.ok((await completed(['explain', 'e'])).includes('echo'))
  t.ok((await completed(['run', 'pre'])).includes('preset:uppercase'))
})

t.test('bash gets no words that it would have to quote, and what is behind = and :', async t => {
  t.strictSame(await completed(['run', 'preset', ':', 'up'], 'bash'), ['uppercase'])
  t.ok((await completed(['run', 'preset', ':'], 'bash')).includes('uppercase'))
  t.strictSame(await completed(['run', 'preset:up']), ['preset:uppercase'])
  t.strictSame(await completed(['connect', 'localhost', ':', '80', 'line'], 'bash'), ['lines'])
  t.strictSame(await completed(['connect', 'tcp', ':', '//a', ':', '80', 'line'], 'bash'), ['lines'])
  t.strictSame(await completed(['connect', 'x:1', '--receive', '=', "'lines | up"], 'bash'), [
    'lines | uppercase',
    'lines | upstream',
  ])
  t.strictSame(await completed(['run', ':', 'x'], 'bash'), [])
  t.strictSame(await completed([':'], 'bash'), [])

  t.strictSame(await completed(['pipe', 'lines\\ \\|\\ upp'], 'bash'), [])
  t.strictSame(await completed(['pipe', "'lines | upp"], 'bash'), ['lines | uppercase'])
  t.strictSame(await completed(['pipe', '--plan', '='], 'bash'), ['fused', 'streams'])
  t.strictSame(await completed(['pipe', '--plan', '=', 's'], 'bash'), ['streams'])
  t.strictSame(await completed(['pipe', 'to-l'], 'bash'), ['to-length-prefixed', 'to-lines'])
})

t.test('prints the script of each shell', async t => {
  for (const [shell, line] of [
    ['bash', 'complete -F _bywash bywash\n'],
    ['zsh', 'compdef _bywash bywash\n'],
    ['fish', "complete -c bywash -f -a '(__bywash_complete)'\n"],
  ]) {
    const { exitCode, printed, logged } = await runCommand(['completion', `${shell}`])
    t.strictSame([exitCode, logged], [0, ''])
    t.ok(printed.endsWith(`${line}`))
  }
})

t.test('a shell that is none exits 2 and names those there are', async t => {
  const { exitCode, printed, logged } = await runCommand(['completion', 'tcsh'])
  t.strictSame([exitCode, printed], [2, ''])
  t.match(logged, 'Allowed choices are bash, zsh, fish.')
})

t.test('a typed word loses its quotes as it does in a shell', async t => {
  for (const [typed, value] of [
    ["'a | b'", 'a | b'],
    ["'a | b", 'a | b'],
    ['"a \\" \\$ \\n b', 'a " $ \\n b'],
    ['a\\ b\\|', 'a b|'],
    [`a'b'"c"d`, 'abcd'],
    ['', ''],
  ] as const) {
    t.equal(shellWord(typed), value, typed)
  }
  const quoted = fc.property(fc.string(), text => shellWord(`'${text.replaceAll("'", "'\\''")}'`) === text)
  t.doesNotThrow(() => fc.assert(quoted))
})

/** A folder with files to complete, and one with the command, as it is installed. */
function place(t: Test) {
  const folder = t.testdir({
    files: { 'shout.yaml': '' },
    bin: { bywash: `#!/bin/sh\nexec '${process.execPath}' '${resolve('dist/cli/bin.js')}' "$@"\n` },
  })
  chmodSync(join(folder, 'bin/bywash'), 0o755)
  // The process is not one of those whose coverage counts.
  const path = `${join(folder, 'bin')}:${process.env.PATH}`
  const env = { PATH: path, HOME: folder, PS1: '> ', NODE_V8_COVERAGE: undefined }
  return { cwd: join(folder, 'files'), env }
}

function missing(shell: string): string | false {
  return spawnSync(shell, ['--version']).status === 0 ? false : `needs ${shell}`
}

const SHELLS = {
  bash: { start: 'exec bash --norc --noprofile -i', load: 'source <(bywash completion bash)' },
  zsh: {
    start: 'exec zsh -f -i',
    load: 'autoload -U compinit; compinit -u -D; source <(bywash completion zsh)',
  },
}

for (const [shell, { start, load }] of Object.entries(SHELLS)) {
  const skip = missing(shell) || NO_TERMINAL
  t.test(`${shell} completes commands, flags, choices, files and stages`, { skip }, async t => {
    const { cwd, env } = place(t)
    const terminal = inTerminal(t, `cd '${cwd}'; ${start}`, env)
    // The word is put together by the shell, so that the echo of the line is not it.
    terminal.type(`${load}; echo rea''dy\n`)
    await terminal.shows(/ready\r\n/)
    for (const [keys, shown] of [
      ['bywash pip\t', /pipe/],
      ['--pl\t', /--plan/],
      ['str\t', /streams/],
      ['--in sh\t', /shout\.yaml/],
      ["'lines | upp\t", /lines \| uppercase'/],
      ['\u0015bywash pipe --plan=str\t', /--plan=streams/],
      ['\u0015bywash pipe --in=sh\t', /--in=shout\.yaml/],
      ['\u0015bywash run preset:up\t', /preset:uppercase/],
      ["\u0015bywash run 'lines | json-lines --invalid=re\t", /--invalid=report/],
    ] as const) {
      terminal.type(keys)
      t.ok(await terminal.shows(shown), JSON.stringify(keys))
    }
  })
}

t.test('fish completes commands, flags, choices, files and stages', { skip: missing('fish') }, async t => {
  const { cwd, env } = place(t)
  const lines = {
    'bywash pip': 'pipe',
    'bywash pipe --pl': '--plan',
    'bywash pipe --plan=str': '--plan=streams',
    'bywash pipe --in sh': 'shout.yaml',
    'bywash pipe --in=sh': '--in=shout.yaml',
    'bywash run preset:up': 'preset:uppercase',
    "bywash run 'lines | json-lines --invalid=re": 'lines | json-lines --invalid=report',
    "bywash pipe 'lines | upp": 'lines | uppercase',
  }
  const code = 'bywash completion fish | source; for line in $argv; complete -C $line; echo; end'
  const { stdout } = spawnSync('fish', ['--no-config', '-c', code, ...Object.keys(lines)], {
    cwd,
    env,
    encoding: 'utf8',
  })
  const shown = stdout.split('\n\n').map(text => text.split('\n')[0]?.replace(/\t.*/, ''))
  for (const [index, [line, completion]] of Object.entries(lines).entries()) {
    t.equal(shown[index], completion, line)
  }
})
