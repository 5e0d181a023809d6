import t from 'tap'
import { turn } from '../../../lib/testing/turns.js'
import { findCollector, type Heap, memoryIn, processMemory } from '../../../lib/testing/watch/memory.js'

const collectAll = findCollector()

/** A heap whose size is the next number of a list with each look, and the kinds of garbage that were collected. */
function fakeHeap(...sizes: readonly number[]) {
  const collected: string[] = []
  let at = 0
  const heap: Heap = {
    collect: options => {
      collected.push(options?.type ?? 'all')
      collectAll?.(options)
    },
    statistics: () => ({ used_heap_size: sizes[at++] ?? 0, external_memory: 1 }),
  }
  return { collected, memory: memoryIn(heap) }
}

const kept: object[] = []
t.teardown(() => void kept.splice(0))

t.test('what a run holds is measured when another collection has found no more', async t => {
  const { collected, memory } = fakeHeap(1_000_000, 900_000, 890_000, 500_000, 495_000)
  t.equal(await memory.heldBy(hold => hold({})), 390_000 + 5000)
  t.strictSame(collected, Array(5).fill('all'))
  t.equal(await memory.heldBy(async () => {}), 0, 'a run that does not come so far holds nothing')
})

t.test('what a run held is waited for until it is collected, but not for ever', async t => {
  const owner = {}
  kept.push(owner)
  const { collected, memory } = fakeHeap(2000)
  t.equal(await memory.heldBy(hold => hold(owner)), 0)
  t.equal(collected.length, 2 + 20)
})

t.test('a quick look at growth collects the young garbage only', async t => {
  const { collected, memory } = fakeHeap(1000, 5000, 3000)
  const growth = await memory.growthDuring(async look => {
    for (let count = 0; count < 3; count++) look()
  })
  t.equal(growth.bytes, 2000)
  t.strictSame(collected, Array(3).fill('minor'))
  t.equal((await memory.growthDuring(async () => {})).bytes, 0, 'without a look nothing has grown')
})

t.test('growth is not sure where old garbage was collected meanwhile', async t => {
  const { isSure } = await processMemory().growthDuring(async () => {
    await turn()
    collectAll?.()
  })
  t.equal(isSure, false)
})

t.test('what a run of this process holds is told from what it has left', async t => {
  const held = await processMemory().heldBy(async hold => {
    const own = Buffer.alloc(8_388_608, 1)
    kept.push(Buffer.alloc(33_554_432, 1))
    await hold(own)
    t.equal(own.length, 8_388_608)
  })
  t.ok(held > 6_291_456 && held < 12_582_912, `${held} bytes`)
  t.ok(processMemory().inUse() > 0)
  t.equal(processMemory().isVisible, true)
})

t.test('where an engine shows no collector, the memory is not visible', async t => {
  const collect = findCollector(() => {
    throw new ReferenceError('gc is not defined')
  })
  t.equal(collect, null)
  const memory = memoryIn({ collect, statistics: () => ({ used_heap_size: 2, external_memory: 1 }) })
  t.equal(memory.isVisible, false)
  t.equal(memory.inUse(), 3)
  t.equal(await memory.heldBy(hold => hold({})), 0)
  t.equal((await memory.growthDuring(async look => look())).bytes, 0)
})
