import t from 'tap'
import { waysBetween } from '../../lib/config/fitting.js'
import { showProblems } from '../../lib/config/problem.js'
import { builtIn, type Registry } from '../../lib/config/registry.js'
import { pipelineOfText } from '../../lib/config/text/text-pipeline.js'
import { type StageFactory, stageFactoryOf } from '../../lib/definition.js'
import { map, stage } from '../../lib/index.js'

/** A registry with these stages only. */
function registryOf(...stages: readonly unknown[]): Registry {
  const factories = stages.map(stage => stageFactoryOf('', stage) as StageFactory)
  return { ...builtIn(), stages: new Map(factories.map(factory => [factory.definition.name, factory])) }
}

const problems = (text: string, registry: Registry) => {
  const { problems } = pipelineOfText(text, registry)
  return showProblems(text, problems).split('\n')[0]
}

t.test('the shortest ways from one kind to another are found, in the order of the stages', async t => {
  t.strictSame(waysBetween(builtIn(), 'bytes', 'line'), [['lines']])
  t.strictSame(waysBetween(builtIn(), 'value', 'bytes'), [['toJsonLines', 'toLines']])
  t.strictSame(waysBetween(builtIn(), 'line', 'line'), [[]])
  t.ok(waysBetween(builtIn(), 'frame', 'value').every(way => way.length === 3))
  t.strictSame(waysBetween(registryOf(), 'bytes', 'line'), [])
})

t.test('where no stage leads from one kind to the other, that is said', async t => {
  const shout = map('shout', line => `${line}!`)
  t.equal(
    problems('shout', registryOf(shout)),
    "error: Stage 'shout' takes lines, but a connection gives bytes. No stage leads from bytes to lines.",
  )
})

t.test('a stage that takes one kind and gives the same gives that kind', async t => {
  const same = stage<string, string>({
    name: 'same',
    accepts: 'line',
    emits: 'same' as 'line',
    open: () => ({}),
  })
  const registry = { ...builtIn(), stages: new Map([...builtIn().stages, ...registryOf(same).stages]) }
  t.equal(pipelineOfText('lines | same | to-lines', registry).problems.length, 0)
  t.match(problems('lines | same', registry), /The last stage, 'same', gives lines/)
})

t.test('a fault of a stage that is made is no problem of the text', async t => {
  const factory = Object.assign(
    () => {
      throw new TypeError('broken')
    },
    { definition: { ...builtIn().stages.get('welcome')!.definition, name: 'broken', arguments: {} } },
  )
  t.throws(() => problems('broken', registryOf(factory)), { message: 'broken' })
})
