import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'

const IMPORTS = "import { gzip, lines, listen, pipeline, toLines, uppercase } from 'bywash'\n"

/** Programs that use the built package as a stranger does, each wrong in its last line. */
const PROGRAMS = {
  decoder: 'lines({ maxLenght: 1 })',
  encoder: "toLines({ delimeter: '\\n' })",
  plain: 'gzip({ levle: 1 })',
  served: 'listen(pipeline().through(lines()), { port: 0 })',
  driven: 'pipeline().through(lines()).handle(undefined as never)',
  refused: 'pipeline().through(uppercase())',
}

type Messages = Readonly<Record<keyof typeof PROGRAMS, string>>

/** Compiles the programs, all in one process, and returns what tsc prints for each. */
async function messages(t: Test, ...flags: string[]): Promise<Messages> {
  const names = Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[]
  const folder = t.testdir(
    Object.fromEntries(names.map(name => [`${name}.ts`, `${IMPORTS}${PROGRAMS[name]}\n`])),
  )
  const compiler = spawn(
    process.execPath,
    [
      'node_modules/typescript/lib/tsc.js',
      ...['--ignoreConfig', '--noEmit', '--strict', '--module', 'nodenext', '--types', 'node'],
      // What the declarations themselves say is the subject of other tests, and most of the time.
      '--skipLibCheck',
      ...flags,
      ...names.map(name => `${folder}/${name}.ts`),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [printed] = await Promise.all([text(compiler.stdout), once(compiler, 'exit')])
  const found = Object.fromEntries(names.map(name => [name, ''])) as Record<keyof typeof PROGRAMS, string>
  // A message is a line with the place, and indented lines.
  for (const [message, name] of printed.matchAll(/^[^\n]*?(\w+)\.ts\(\d+,\d+\): [^\n]*\n(?: [^\n]*\n)*/gm))
    if (name !== undefined && name in found) found[name as keyof typeof PROGRAMS] += message
  return found
}

t.test('what the compiler says of a mistake', async t => {
  const usual = await messages(t)
  // The option made the compiler speak of undefined, which has nothing to do with it.
  const exact = await messages(t, '--exactOptionalPropertyTypes')

  t.test(
    'an option that is mistyped is named, with the one that is meant and the name of the options',
    async t => {
      t.match(
        usual.decoder,
        "'maxLenght' does not exist in type 'TextLinesOptions'. Did you mean to write 'maxLength'?",
      )
      t.match(
        usual.encoder,
        "'delimeter' does not exist in type 'TextToLinesOptions'. Did you mean to write 'delimiter'?",
      )
      t.match(usual.plain, "'levle' does not exist in type 'GzipOptions'. Did you mean to write 'level'?")
    },
  )

  for (const name of ['served', 'driven'] as const) {
    t.test(`a pipeline that is ${name} without its encoder ends with lines, and not with bytes`, async t => {
      for (const message of [usual[name], exact[name]]) {
        t.match(
          message,
          "Types of property 'emits' are incompatible.\n    Type '\"line\"' is not assignable to type '\"bytes\"'.",
        )
        t.notMatch(message, /undefined|flow/)
      }
    })
  }

  t.test('a stage that takes something else is told by what it takes', async t => {
    t.match(exact.refused, "Types of property 'accepts' are incompatible.")
    t.match(exact.refused, 'Type \'"line"\' is not assignable to type \'"any" | "bytes"\'.')
    t.notMatch(exact.refused, /undefined|flow/)
  })
})
