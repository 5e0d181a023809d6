import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { readConfiguration } from '../../lib/config/file/configuration.js'
import { withImports } from '../../lib/config/import-stages.js'
import { showProblems } from '../../lib/config/problem.js'
import { builtIn } from '../../lib/config/registry.js'
import { pipelineOfText } from '../../lib/config/text/text-pipeline.js'
import { InvalidOptionError } from '../../lib/errors.js'
import { runStage } from '../../lib/testing/index.js'
import { scriptPath } from '../script-path.js'

const LIBRARY = JSON.stringify(pathToFileURL(scriptPath('lib/index')).href)

const MY_STAGES = `
import { defineStage, map, option, pipeline, lines, toLines } from ${LIBRARY}
export const shout = map('shout', line => line + '!')
export const again = shout
export const repeatLine = defineStage({
  name: 'repeatLine', summary: 'repeats each line', accepts: 'line', emits: 'line',
  arguments: [{ times: option.integer({ help: 'how often', minimum: 1, maximum: 9 }) }],
  options: { between: option.text({ help: 'what stands between', default: '' }) },
  make: ({ times, between }) => map('repeatLine', line => Array(times).fill(line).join(between)),
})
export const polite = pipeline().through(lines()).through(shout).through(toLines())
export default map('whisper', line => line.toLowerCase())
export const other = 5, helper = () => 1, nothing = null, almost = { name: 'x', accepts: 'bytes' }
export const wrong = Object.assign(() => {}, { definition: 'none' }), kindless = { name: 'y', accepts: 'z', open() {} }
`

async function answer(text: string, registry: Awaited<ReturnType<typeof withImports>>, input: string) {
  const { pipeline, problems } = pipelineOfText(text, registry)
  if (pipeline === undefined) throw new Error(showProblems(text, problems))
  return Buffer.concat(await runStage(pipeline, [Buffer.from(input)])).toString()
}

let count = 0

/** What a module with this source is refused for. */
async function refusal(t: Test, source: string, name = 'a.js'): Promise<string> {
  // Each in a folder of its own: Node loads a path once.
  const own = String(++count)
  const folder = t.testdir({ [own]: { [name]: source } })
  try {
    await withImports(builtIn(), [`./${name}`], resolve(folder, own))
  } catch (error) {
    t.type(error, InvalidOptionError)
    return (error as Error).message
  }
  throw new Error('It was not refused.')
}

t.test('a module gives texts its stages, its pipelines, and stages with arguments and options', async t => {
  const folder = t.testdir({ 'my-stages.js': MY_STAGES })
  const registry = await withImports(builtIn(), ['./my-stages.js'], folder)
  const own = [...registry.stages.keys()].filter(name => !builtIn().stages.has(name))
  t.strictSame(own.sort(), ['polite', 'repeatLine', 'shout', 'whisper'])
  t.equal(await answer('lines | shout | whisper | to-lines', registry, 'Ab'), 'ab!\n')
  t.equal(await answer('lines | repeat-line 2 --between - | to-lines', registry, 'a'), 'a-a\n')
  t.equal(
    await answer('polite | to-hex', registry, 'a'),
    '61210a',
    'a pipeline goes by the name of its export',
  )
  t.equal(builtIn().stages.has('shout'), false, 'and nobody else')
  const text = 'lines | repeat-line 10 | to-lines'
  t.match(
    showProblems(text, pipelineOfText(text, registry).problems),
    /'times' is a whole number, from 1 to 9; got 10/,
  )
  const near = 'lines | repeat-lines 2 | to-lines'
  t.match(showProblems(near, pipelineOfText(near, registry).problems), /Did you mean 'repeat-line'\?/)
})

t.test('a file imports modules from its own folder', async t => {
  const folder = t.testdir({ 'my-stages.js': MY_STAGES })
  const text = `
import: ./my-stages.js
listeners:
  - { name: a, pipeline: [lines, shout, { repeatLine: [2, { between: "-" }] }, toLines] }`
  const { configuration, problems } = await readConfiguration(text, { environment: {}, folder })
  t.strictSame(problems, [])
  const output = await runStage(configuration!.listeners[0]!.pipeline, [Buffer.from('a')])
  t.equal(Buffer.concat(output).toString(), 'a!-a!\n')
})

t.test('several modules add up, and a path may be absolute', async t => {
  const folder = t.testdir({
    'a.js': `import { map } from ${LIBRARY}; export const a = map('a', line => line + 'a')`,
    'b.mjs': `import { map } from ${LIBRARY}; export const b = map('b', line => line + 'b')`,
  })
  const registry = await withImports(builtIn(), ['a.js', resolve(folder, 'b.mjs')], folder)
  t.equal(await answer('lines | a | b | to-lines', registry, 'x'), 'xab\n')
})

t.test('a module that gives no stage, or a name that is taken, is refused with the remedy', async t => {
  const map = `import { map } from ${LIBRARY}; export const own = map(`
  const taken = (name: string) =>
    `'./a.js' exports a stage named '${name}', but there is one already. Give it another name.`
  t.equal(await refusal(t, `${map}'lines', line => line)`), taken('lines'))
  t.equal(await refusal(t, `${map}'to-hex', line => line)`), taken('to-hex'), 'in another spelling')
  t.equal(await refusal(t, `${map}'echo', line => line)`), taken('echo'), 'a preset has it')
  t.equal(
    await refusal(
      t,
      `import { map } from ${LIBRARY}; export const a = map('b', l => l), b = map('b', l => l)`,
    ),
    taken('b'),
    'within one module',
  )
  t.match(
    await refusal(t, 'export const a = 1'),
    /^'\.\/a\.js' exports no stage\. Export what defineStage\(\)/,
  )
  t.match(
    await refusal(t, 'throw new Error("out of tea.\\nmore")'),
    /'\.\/a\.js' cannot be imported: out of tea\.$/,
  )
  t.match(await refusal(t, 'throw null'), /cannot be imported: null\.$/)
  t.match(await refusal(t, 'throw "tea"'), /cannot be imported: tea\.$/)
  t.match(await refusal(t, 'export const a = '), /cannot be imported: /)
  await t.rejects(
    withImports(builtIn(), ['./none.js'], t.testdirName),
    /'\.\/none\.js' cannot be imported: Cannot find/,
  )
  t.match(
    await refusal(t, '', 'a.txt'),
    /'\.\/a\.txt' cannot be imported: Node v\d+\S+ loads no such file\. Name a JavaScript module; TypeScript needs Node 22\.18/,
  )
})
