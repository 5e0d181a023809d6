import t from 'tap'
import { collectUncaught } from '../../../lib/testing/watch/uncaught.js'

const turns = () => new Promise<void>(resolve => setTimeout(resolve, 5))

t.test('what a run throws comes into its list, whichever way', async t => {
  await collectUncaught(async one => {
    await collectUncaught(async other => {
      setImmediate(() => {
        throw new Error('immediate')
      })
      process.nextTick(() => void Promise.reject(new Error('rejection')))
      await turns()
      t.strictSame(other.map(error => (error as Error).message).sort(), ['immediate', 'rejection'])
    })
    t.strictSame(one, [], 'each has its own')
  })
})

t.test('what no run throws goes to the listeners from before, and to nobody else', async t => {
  const heard: unknown[] = []
  const listener = (error: unknown) => heard.push(error)
  const added = () => {}
  process.on('unhandledRejection', listener)
  t.teardown(() => {
    process.off('unhandledRejection', listener)
    process.off('unhandledRejection', added)
  })
  const before = process.rawListeners('unhandledRejection')
  let reject = () => {}
  // The scope of a rejection is that of the promise.
  const outside = new Promise<void>(resolve => {
    reject = resolve
  }).then(() => {
    throw new Error('outside')
  })
  await collectUncaught(async uncaught => {
    reject()
    process.on('unhandledRejection', added)
    await turns()
    t.strictSame(uncaught, [])
  })
  t.match(heard, [{ message: 'outside' }])
  t.strictSame(process.rawListeners('unhandledRejection'), [...before, added])
  await t.rejects(outside, { message: 'outside' })
})

t.test('without a listener from before it is thrown again', async t => {
  const heard: unknown[] = []
  let reject = () => {}
  const outside = new Promise<void>(resolve => {
    reject = resolve
  }).then(() => {
    throw new Error('outside')
  })
  const listener = (error: unknown) => heard.push(error)
  process.on('uncaughtException', listener)
  t.teardown(() => void process.off('uncaughtException', listener))
  await collectUncaught(async () => {
    reject()
    await turns()
  })
  t.match(heard, [{ message: 'outside' }])
  await t.rejects(outside)
})
