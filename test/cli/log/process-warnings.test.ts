import t, { type Test } from 'tap'
import { logProcessWarnings } from '../../../lib/cli/log/process-warnings.js'

/** Puts listeners of warnings in the place of those that the process has. */
function withListeners(t: Test, listeners: readonly (() => void)[]): void {
  const before = process.listeners('warning')
  process.removeAllListeners('warning')
  for (const listener of listeners) process.on('warning', listener)
  t.teardown(() => {
    process.removeAllListeners('warning')
    for (const listener of before) process.on('warning', listener)
  })
}

async function warn(): Promise<void> {
  process.emitWarning('too late', 'OddWarning')
  await new Promise(setImmediate)
}

t.test("warnings are logged in the place of Node's own lines, until they are given back", async t => {
  const lines: string[] = []
  let printed = 0
  let heard = 0
  function onWarning() {
    printed++
  }
  withListeners(t, [onWarning, () => heard++])
  const giveBack = logProcessWarnings({ warn: line => lines.push(line) })
  await warn()
  t.strictSame(lines, ['OddWarning: too late'])
  giveBack()
  await warn()
  t.strictSame([lines.length, printed, heard], [1, 1, 2], "the program's own listeners hear all")
})

t.test('where Node prints no warnings, none is logged', async t => {
  withListeners(t, [])
  logProcessWarnings({ warn: t.fail })
  await warn()
  t.equal(process.listenerCount('warning'), 0)
})
