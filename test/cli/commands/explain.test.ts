import { join } from 'node:path'
import t from 'tap'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

async function explain(...argv: string[]): Promise<string> {
  const { exitCode, printed, logged } = await runCommand(['explain', ...argv])
  t.strictSame([exitCode, logged], [0, ''])
  return printed
}

t.test('shows segments, rewrites, kinds and the memory bound as a tree', async t => {
  t.equal(
    await explain('lines --max-length 4KiB | uppercase | to-lines | gzip | welcome hi'),
    `lines --max-length 4KiB | uppercase | to-lines | gzip | welcome hi
plan fused
├─ fused
│  ├─ lines --max-length 4096: bytes to lines, on whole blocks of lines
│  ├─ uppercase: lines to lines, on whole blocks of lines
│  └─ to-lines: lines to bytes, on whole blocks of lines
├─ stream: the stage is a stream
│  └─ gzip: bytes to bytes
└─ fused
   └─ welcome hi: bytes to bytes
memory: at most 1.5MiB for each connection (192KiB in the socket, 16KiB of output, 4KiB in lines, 634KiB in gzip, 332KiB around lines | uppercase | toLines, 268KiB around gzip, 32KiB around welcome)
`,
  )
})

t.test('shows a preset, and that one may have no stage', async t => {
  t.match(await explain('uppercase'), /^uppercase\nplan fused, no stream [^\n]+\n└─ fused\n {3}├─ lines .*\n/)
  t.equal(
    await explain('echo'),
    `echo
plan fused, no stream between source and sink
└─ no stage: what comes goes on as it is
memory: at most 256KiB for each connection (192KiB in the socket, 64KiB of output)
`,
  )
})

t.test('shows every listener of a file, with its own plan unless a flag says another', async t => {
  const file = join(
    t.testdir({
      'two.yaml': `listeners:
  - { name: one, pipeline: [lines, toLines] }
  - { name: two, listen: { port: 8081, plan: streams }, pipeline: [lines, toLines] }
`,
    }),
    'two.yaml',
  )
  t.match(await explain(file), /^one\nplan fused, .*\n\ntwo\nplan streams\n/s)
  t.match(await explain(file, '--plan', 'fused'), /^one\nplan fused, .*\n\ntwo\nplan fused, /s)
})

t.test('names the stages whose memory nobody knows', async t => {
  const io = new FakeIo()
  io.folder = t.testdir({
    'own.mjs': "import { map } from 'bywash'\nexport const own = map('own', line => line)\n",
  })
  const { printed } = await runCommand(['explain', '--import', 'own.mjs', 'lines | own | to-lines'], '', io)
  t.match(printed, '        and what own keeps and adds, which it does not say\n')
})

t.test('a size below a KiB is in bytes', async t => {
  t.match(await explain('lines --max-length 10 | to-lines'), ', 12B in lines)\n')
})

t.test('--json prints the same for programs', async t => {
  const [report] = JSON.parse(await explain('--json', '--plan', 'streams', 'lines | to-lines | gzip'))
  t.match(report, {
    name: 'lines | to-lines | gzip',
    plan: 'streams',
    direct: false,
    accepts: 'bytes',
    emits: 'bytes',
    memory: {
      bytes: 5_671_536,
      socket: 196_608,
      output: 16_384,
      holders: [
        { stage: 'lines', bytes: 65_538 },
        { stage: 'gzip', bytes: 649_216 },
      ],
      streams: [{ stage: 'lines' }, { stage: 'toLines' }, { stage: 'gzip' }],
      unknown: [],
    },
  })
  t.strictSame(
    report.segments.map(({ stages: [stage] }: { stages: { text: string }[] }) => stage?.text),
    ['lines', 'to-lines', 'gzip'],
  )
})

t.test('--mermaid prints a diagram, in which no text of a stage means anything', async t => {
  t.equal(
    await explain('--mermaid', `lines | to-lines | welcome '"]; end'`),
    `flowchart LR
  %% memory: at most 705KiB for each connection (192KiB in the socket, 448KiB of output, 64KiB in lines)
  source([bytes])
  subgraph segment1 ["fused"]
    stage1["lines"]
    stage2["to-lines"]
    stage3["welcome #39;#34;#93;#59; end#39;"]
  end
  sink([bytes])
  source -->|bytes| stage1
  stage1 -->|lines| stage2
  stage2 -->|bytes| stage3
  stage3 -->|bytes| sink
`,
  )
  t.match(await explain('--mermaid', 'echo'), '  source -->|bytes| sink\n')
})

t.test('a text may end as the name of a file does', async t => {
  t.match(await explain('welcome hello.json'), '└─ welcome hello.json: bytes to bytes\n')
})

t.test('what is wrong exits 2', async t => {
  for (const [argv, message] of [
    [['nofile.yaml'], /^nofile\.yaml:1:1: There is no such file\./],
    [['lins'], /^error: There is no stage 'lins'\. .*\n {2}lins\n {2}\^\^\^\^\n$/],
    [['--json', '--mermaid', 'echo'], /'--mermaid' cannot be used with option '--json'/],
    [['--import', 'own.mjs', 'nofile.yaml'], /^'own\.mjs' cannot be imported: /],
  ] as const) {
    const { exitCode, printed, logged } = await runCommand(['explain', ...argv])
    t.strictSame([exitCode, printed], [2, ''])
    t.match(logged, message)
  }
})

t.test('a file names its modules itself', async t => {
  const io = new FakeIo()
  io.folder = t.testdir({
    'own.mjs': "import { map } from 'bywash'\nexport const own = map('own', line => line)\n",
  })
  t.match(await runCommand(['explain', '--import', 'own.mjs', 'bywash.yaml'], '', io), {
    exitCode: 2,
    logged: "A file names its modules itself, under 'import'; leave '--import' out.\n",
  })
})
