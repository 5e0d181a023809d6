import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { metricsText } from '../../lib/status-server/metrics.js'
import { ANY_CHARACTER } from '../any-character.js'
import { runs } from '../runs.js'
import { sampleStatus, sampleStatuses } from '../status/sample-status.js'

/** The value of a series in the text of all metrics. */
function seriesOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find(line => line.startsWith(`bywash_${series} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

t.test('the figures of a status are there, in seconds and bytes', async t => {
  const text = await metricsText(sampleStatuses())
  const own = 'listener="127.0.0.1:7000"'
  for (const [series, value] of [
    [`listener_ready{${own}}`, 1],
    ['listener_ready{listener="[::]:7443"}', 0],
    [`connections{${own}}`, 1307],
    [`connections_limit{${own}}`, 10_000],
    [`connections_opened_total{${own}}`, 52_310],
    [`connections_refused_total{${own},reason="max-connections"}`, 120],
    [`connections_refused_total{${own},reason="proxy-header"}`, 0],
    [`connections_ended_total{${own},outcome="client-reset"}`, 2_914],
    [`connections_ended_total{${own},outcome="worker-died"}`, 0],
    [`received_bytes_total{${own}}`, 144_000_000],
    [`culprit{${own},kind="stage",index="2",stage="lookup"}`, 1],
    ['culprit{listener="/run/shout.sock",kind="unknown",index="",stage=""}', 1],
    [`stage_items_total{${own},index="1",stage="lines | trim | grep",direction="in"}`, 3_600_000],
    [`stage_time_ratio{${own},index="2",stage="lookup",state="busy"}`, 0.93],
    [`stage_item_p99_seconds{${own},index="2",stage="lookup"}`, 0.065],
    [`stage_held_bytes{${own},index="0",stage="gunzip"}`, 786_432],
    [`hub_subscribers{${own},hub="lobby"}`, 1290],
    [`upstream_failures_total{${own},upstream="redis.local:6379"}`, 12],
    ['worker_up{listener="[::]:7443",worker="1"}', 1],
    ['worker_up{listener="[::]:7443",worker="3"}', 0],
    ['worker_resident_memory_bytes{listener="[::]:7443",worker="3"}', undefined],
    ['process_resident_memory_bytes', 98_304_000],
    ['process_event_loop_delay_p99_seconds', 0.0095],
  ] as const) {
    t.equal(seriesOf(text, series), value, series)
  }
})

t.test('what is not known is left out, and listeners of one name are told apart', async t => {
  const [, idle] = sampleStatuses()
  const unknown = { ...idle, connections: { open: 0, handshaking: 0, limit: null } } as typeof idle
  const text = await metricsText([
    unknown as NonNullable<typeof unknown>,
    sampleStatus({ name: '/run/shout.sock' }),
  ])
  t.notMatch(text, 'process_event_loop_delay')
  t.equal(seriesOf(text, 'connections_limit{listener="/run/shout.sock"}'), undefined)
  t.equal(seriesOf(text, 'connections{listener="/run/shout.sock (2)"}'), 1307)
  const none = await metricsText([])
  t.notMatch(none, /^[^#\n]/m, 'no listener, no series')
})

t.test('hubs of one name are one series, and there are never more than a hundred', async t => {
  const [hub] = sampleStatus().hubs
  const named = (name: string) => ({ ...(hub as NonNullable<typeof hub>), name })
  const hubs = [named('a'), named('a'), ...Array.from({ length: 500 }, (_, index) => named(`room ${index}`))]
  const text = await metricsText([sampleStatus({ hubs })])
  t.equal(seriesOf(text, 'hub_subscribers{listener="127.0.0.1:7000",hub="a"}'), 2580)
  t.equal(text.match(/^bywash_hub_subscribers\{/gm)?.length, 99)
})

t.test('any name of a stage is one label', async t => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: ANY_CHARACTER }), async name => {
      const [stage] = sampleStatus().stages
      const text = await metricsText([
        sampleStatus({ stages: [{ ...(stage as NonNullable<typeof stage>), name }] }),
      ])
      const [, label = ''] =
        /^bywash_stage_errors_total\{.*?,stage="((?:[^"\\\n]|\\.)*)"\} 0$/m.exec(text) ?? []
      const escapes: Record<string, string> = { n: '\n', '"': '"', '\\': '\\' }
      t.equal(
        label.replace(/\\(.)/g, (_, letter: string) => escapes[letter] as string),
        name,
      )
    }),
    { numRuns: runs(50) },
  )
})

const hasPromtool = spawnSync('promtool', ['--version']).status === 0

t.test(
  'promtool has nothing to say against names, units and help',
  { skip: !hasPromtool && 'there is no promtool on PATH: apt-get install prometheus' },
  async t => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await metricsText(sampleStatuses()),
      encoding: 'utf8',
    })
    t.strictSame({ status, said: stdout + stderr }, { status: 0, said: '' })
  },
)
