import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'

const IMPORTS = `
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import * as bywash from 'bywash'
import * as presets from 'bywash/presets'
import * as stages from 'bywash/stages'
import * as testing from 'bywash/testing'
`

/** Runs a program on what is built, without the loader and the coverage of the test runner. */
async function run(t: Test, program: string): Promise<void> {
  const bare = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', process.execPath]
  const child = spawn('env', [...bare, '--input-type=module', '--eval', IMPORTS + program], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(code, 0, errors || 'all is true')
}

t.test('a class is the same, whichever entry its instance comes from', async t => {
  await run(
    t,
    `const failed = testing.runStage(stages.lines({ maxLength: 1 }), [Buffer.from('ab')])
    await assert.rejects(failed, bywash.FrameTooLongError)
    assert.ok(presets.echo.pipeline() instanceof bywash.pipeline().constructor)`,
  )
})

t.test('the names of classes, which errors are printed with, outlive the bundler', async t => {
  await run(
    t,
    `const classes = Object.entries(bywash).filter(([, value]) => /^class\\b/.test(value))
    assert.ok(classes.length > 0)
    for (const [name, value] of classes) assert.equal(value.name, name)
    assert.match(inspect(bywash.pipeline()), /^Pipeline /)`,
  )
})

t.test("'bywash' has every stage of 'bywash/stages'", async t => {
  await run(t, 'for (const name of Object.keys(stages)) assert.equal(bywash[name], stages[name], name)')
})

t.test('a listener loads HTTP only if it serves WebSockets', async t => {
  await run(
    t,
    `const hasHttp = () => process.moduleLoadList.includes('NativeModule http')
    const open = options => bywash.listen(bywash.pipeline(), { port: 0, host: '127.0.0.1', ...options })
    await (await open()).close()
    assert.equal(hasHttp(), false)
    await (await open({ websocket: true })).close()
    assert.equal(hasHttp(), true)`,
  )
})
