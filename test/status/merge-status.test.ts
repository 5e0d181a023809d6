import t from 'tap'
import { mergeStatus } from '../../lib/status/merge-status.js'
import type { Shares, StageStatus, Status } from '../../lib/status/status.js'
import { sampleStatus } from './sample-status.js'

/** The sample with so many connections, and with another first stage. */
function withStage(open: number, more: Partial<StageStatus>): Status {
  const { stages, connections } = sampleStatus()
  const first = { ...(stages[0] as StageStatus), ...more }
  return sampleStatus({ connections: { ...connections, open }, stages: [first, ...stages.slice(1)] })
}

const withShares = (open: number, shares: Shares | null) =>
  withStage(open, { shares: { last1s: shares, last10s: shares, last60s: shares }, activeShares: shares })

const firstOf = (...live: readonly Status[]) => mergeStatus(sampleStatus(), live, []).stages[0]

t.test('the shares of workers are weighted by their connections', async t => {
  const busy = withShares(3, { busy: 1, starved: 0, blocked: 0 })
  const starved = withShares(1, { busy: 0, starved: 1, blocked: 0 })
  const mean = { busy: 0.75, starved: 0.25, blocked: 0 }
  t.match(firstOf(busy, starved), { shares: { last1s: mean, last60s: mean }, activeShares: mean })
})

t.test('a worker without connections weighs as much as one with a single one', async t => {
  const busy = withShares(0, { busy: 1, starved: 0, blocked: 0 })
  const blocked = withShares(1, { busy: 0, starved: 0, blocked: 1 })
  t.same(firstOf(busy, blocked)?.activeShares, { busy: 0.5, starved: 0, blocked: 0.5 })
})

t.test('a worker that does not know its shares has no weight', async t => {
  const blocked = { busy: 0.1, starved: 0, blocked: 0.9 }
  const unknown = withShares(9, null)
  t.same(firstOf(withShares(1, blocked), unknown)?.activeShares, blocked)
  t.same(firstOf(unknown)?.shares, { last1s: null, last10s: null, last60s: null })
})

t.test('the time of an item is the mean median by samples, and the worst percentile', async t => {
  const quick = withStage(1, { itemTime: { median: 1, p99: 9, samples: 30 } })
  const slow = withStage(1, { itemTime: { median: 5, p99: 7, samples: 10 } })
  const untimed = withStage(1, { itemTime: null })
  t.same(firstOf(quick, slow, untimed)?.itemTime, { median: 2, p99: 9, samples: 40 })
  t.equal(firstOf(untimed)?.itemTime, null)
})

t.test('the counts of dead workers are kept, and their windows and what they held are not', async t => {
  const one = sampleStatus()
  const { stages, slowest, hubs, culprit } = mergeStatus(one, [], [one])
  const [stage] = stages
  t.same(stage?.in.total, one.stages[0]?.in.total)
  t.match(stage, { in: { last1s: null, last60s: null }, held: { items: 0, bytes: 0 }, activeShares: null })
  t.same([slowest, hubs, culprit.kind], [[], [], 'unknown'])
})

t.test(
  'amounts, errors and what is held are added up, and a stage that a worker lacks is nothing',
  async t => {
    const one = sampleStatus()
    const { stages } = mergeStatus(one, [one, one, sampleStatus({ stages: [] })], [])
    const [first, second] = [one.stages[0] as StageStatus, one.stages[1] as StageStatus]
    t.equal(stages[0]?.in.last10s?.items, 2 * (first.in.last10s?.items ?? 0))
    t.equal(stages[0]?.held.bytes, 2 * first.held.bytes)
    t.equal(stages[1]?.errors, 2 * second.errors)
    t.same(stages[0]?.activeShares, first.activeShares)
  },
)

t.test(
  'the culprit is that of the worker with the most connections of those that do not wait for input',
  async t => {
    const kinds = ['unknown', 'input', 'client', 'stage'] as const
    const [unknown, input, client, stage] = kinds.map((kind, index) =>
      sampleStatus({
        culprit: { kind, stage: null, text: kind },
        connections: { open: 9 - index, handshaking: 0, limit: null },
      }),
    ) as [Status, Status, Status, Status]
    const culprit = (...live: readonly Status[]) => mergeStatus(unknown, live, []).culprit.kind
    t.equal(culprit(unknown, input, stage, client), 'client')
    t.equal(culprit(unknown, input), 'input')
    t.equal(culprit(unknown), 'unknown')
  },
)

t.test('the last failure of a server is that of a worker which had one', async t => {
  const failed = sampleStatus()
  const sound = sampleStatus({ upstreams: failed.upstreams.map(each => ({ ...each, lastFailure: null })) })
  t.match(mergeStatus(failed, [failed, sound], []).upstreams, [{ lastFailure: 'connection refused' }])
  t.match(mergeStatus(failed, [sound], []).upstreams, [{ lastFailure: null }])
})
