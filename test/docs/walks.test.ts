import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'

/** A line of a walk: the file that it names, and the functions or methods in it. */
interface Stop {
  readonly file: string
  readonly names: readonly string[]
}

function walks(): Stop[][] {
  const page = readFileSync('CONTRIBUTING.md', 'utf8')
  const section = page.split('\n## Find your way\n')[1]?.split('\n## ')[0] ?? ''
  return section.split(/^Follow one /m).flatMap(walk => {
    const lines = walk.split('\n').filter(line => /^\d+\. /.test(line))
    return lines.length === 0 ? [] : [lines.map(stopOf)]
  })
}

function stopOf(line: string): Stop {
  const [file = '', ...names] = [...line.matchAll(/`([^`]+)`/g)].map(([, text]) => text as string)
  return { file, names }
}

/** Whether code defines a function or a method of this name; to call one is not enough. */
function defines(code: string, name: string): boolean {
  const modifiers = '(?:(?:protected|override|static|async|get) )*'
  return new RegExp(
    `^(?:export )?function ${name}\\(|^ +${modifiers}#?${name}\\(.*\\)(?:: .+)? \\{$`,
    'm',
  ).test(code)
}

t.test('the walks of CONTRIBUTING.md lead through functions that are there', async t => {
  const [chunk = [], error = [], ...more] = walks()
  t.equal(chunk.length, 6)
  t.equal(error.length, 6)
  t.strictSame(more, [])
  for (const { file, names } of [...chunk, ...error]) {
    t.ok(existsSync(file), file)
    t.ok(names.length > 0, `${file}: names a function`)
    const code = readFileSync(file, 'utf8')
    for (const name of names) t.ok(defines(code, name), `${file}: ${name}`)
  }
})

t.test('a function that is only called is not there', async t => {
  const code = 'function walk() {\n  run(() => {\n  })\n  stop()\n}\nclass Way {\n  #turn(): void {\n  }\n}\n'
  t.strictSame(
    ['walk', 'run', 'stop', 'turn'].filter(name => defines(code, name)),
    ['walk', 'turn'],
  )
})
