import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'

/** Checks the arrows of a folder with these files, and gives the exit code with what was printed. */
function check(t: Test, files: Parameters<Test['testdir']>[0]) {
  const { status, stderr } = spawnSync(process.execPath, ['.ci/arrows.js', t.testdir(files)], {
    encoding: 'utf8',
  })
  return { status, stderr }
}

t.test('a circle is refused, also one of types and of dynamic imports', async t => {
  for (const back of [
    "import { a } from './a.js'",
    "export { a } from './a.js'",
    "import type { A } from './a.js'",
    "const a = () => import('./a.js')",
  ]) {
    t.strictSame(
      check(t, { 'a.ts': "import { b } from './b.js'", 'b.ts': back }),
      { status: 1, stderr: 'import circle: a.ts → b.ts → a.ts\n' },
      back,
    )
  }
})

t.test('an arrow against the direction is refused', async t => {
  const files = {
    'kind.ts': '',
    engine: { 'plan.ts': "import { lines } from '../stages/lines/lines.js'" },
    stages: { lines: { 'lines.ts': "import type { Kind } from '../../kind.js'" } },
    options: { 'option.ts': "import type { Kind } from '../kind.js'" },
  }
  t.strictSame(check(t, files), {
    status: 1,
    stderr: 'engine/plan.ts may not import stages/lines/lines.ts\noptions/option.ts may not import kind.ts\n',
  })
})

t.test('what a comment shows is no import', async t => {
  const files = {
    'kind.ts': '',
    options: { 'option.ts': "/**\n * import type { Kind } from '../kind.js'\n */" },
  }
  t.strictSame(check(t, files), { status: 0, stderr: '' })
})
