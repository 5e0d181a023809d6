// Tests of a stage and of a pipeline with it, without a port: node --import=tsx --test examples/stage.test.ts
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lines, map, pipeline, toLines } from 'bywash'
import { chunkings, connect, runStage } from 'bywash/testing'

const reverse = map('reverse', line => [...line].reverse().join(''))
const mirror = pipeline().through(lines()).through(reverse).through(toLines())

test('reverse turns characters round, not bytes', async () => {
  assert.deepEqual(await runStage(reverse, ['abc', 'né', '']), ['cba', 'én', ''])
})

test('the same bytes come out however the input is cut', async () => {
  for (const chunks of chunkings('abc\r\nné\n')) {
    const client = connect(mirror)
    for (const chunk of chunks) client.send(chunk)
    client.end()
    assert.equal((await client.receive()).toString(), 'cba\nén\n')
    assert.equal((await client.outcome).reason, 'end')
  }
})
