import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'

const TSC = [
  'node_modules/typescript/bin/tsc',
  '--ignoreConfig',
  '--noEmit',
  '--strict',
  '--module',
  'nodenext',
]
const IMPORTS = "import { gzip, lines, listen, pipeline, toLines, uppercase } from 'bywash'\n"

/** Compiles a program that uses the built package as a stranger does, and returns what tsc prints for its last line. */
async function messageFor(t: Test, program: string, ...flags: string[]): Promise<string> {
  const folder = t.testdir({ 'program.ts': IMPORTS + program })
  const compiler = spawn(process.execPath, [...TSC, '--types', 'node', ...flags, `${folder}/program.ts`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [printed] = await Promise.all([text(compiler.stdout), once(compiler, 'exit')])
  return printed.replace(/^.*program\.ts\(/, 'program.ts(')
}

t.test(
  'an option that is mistyped is named, with the one that is meant and the name of the options',
  async t => {
    const decoder = await messageFor(t, 'lines({ maxLenght: 1 })')
    t.match(
      decoder,
      "'maxLenght' does not exist in type 'TextLinesOptions'. Did you mean to write 'maxLength'?",
    )
    const encoder = await messageFor(t, "toLines({ delimeter: '\\n' })")
    t.match(
      encoder,
      "'delimeter' does not exist in type 'TextToLinesOptions'. Did you mean to write 'delimiter'?",
    )
    const plain = await messageFor(t, 'gzip({ levle: 1 })')
    t.match(plain, "'levle' does not exist in type 'GzipOptions'. Did you mean to write 'level'?")
  },
)

const NO_ENCODER = {
  'a pipeline that is served': 'listen(pipeline().through(lines()), { port: 0 })',
  'a pipeline that is driven': 'pipeline().through(lines()).handle(undefined as never)',
}
for (const [what, program] of Object.entries(NO_ENCODER)) {
  t.test(`${what} without its encoder ends with lines, and not with bytes`, async t => {
    // The option made the compiler speak of undefined, which has nothing to do with it.
    for (const flags of [[], ['--exactOptionalPropertyTypes']]) {
      const message = await messageFor(t, program, ...flags)
      t.match(
        message,
        "Types of property 'emits' are incompatible.\n    Type '\"line\"' is not assignable to type '\"bytes\"'.",
      )
      t.notMatch(message, /undefined|flow/)
    }
  })
}

t.test('a stage that takes something else is told by what it takes', async t => {
  const message = await messageFor(t, 'pipeline().through(uppercase())', '--exactOptionalPropertyTypes')
  t.match(message, "Types of property 'accepts' are incompatible.")
  t.match(message, 'Type \'"line"\' is not assignable to type \'"any" | "bytes"\'.')
  t.notMatch(message, /undefined|flow/)
})
