import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import t from 'tap'
import { LISTENER_OPTIONS } from '../../lib/config/listener-options.js'
import { CONNECTION_TIMES, connectionSettings } from '../../lib/engine/connection-options.js'
import { LISTEN_OPTIONS, type ListenOptions, listenSettings } from '../../lib/listener/listen-options.js'

function check(options: ListenOptions): void {
  listenSettings(options)
  connectionSettings('listen()', options)
}

t.test('flags and files say options of listen(), with its defaults but for idleTimeout', async t => {
  for (const [name, { default: defaultValue, refusal }] of Object.entries(LISTENER_OPTIONS)) {
    if (defaultValue !== undefined) t.equal(refusal(name, defaultValue), undefined, name)
    if (defaultValue !== undefined) t.doesNotThrow(() => check({ [name]: defaultValue }), name)
    t.throws(() => check({ [name]: {} } as object), { code: 'ERR_BYWASH_INVALID_OPTION' }, name)
  }
  t.equal(LISTENER_OPTIONS.idleTimeout?.default, 300_000)
  t.equal(CONNECTION_TIMES.idleTimeout.default, 0)
})

t.test('workers is a number of processes, or auto for one on each core', async t => {
  t.strictSame(listenSettings({ workers: 3 }).workers, { count: 3, spread: 'primary' })
  t.equal(listenSettings({ workers: 'auto' }).workers?.count, availableParallelism())
  for (const workers of [0, 1025, 1.5, '3x', null]) {
    const message = `listen(): 'workers' is a whole number, from 1 to 1024, 'auto', or an object with 'count', 'spread' and 'maxHeapSize'; got ${JSON.stringify(workers)}.`
    t.throws(() => listenSettings({ workers } as object), { message })
  }
})

t.test('what an editor shows of an option is its default', async t => {
  const declarations = readFileSync('dist/listener/listen-options.d.ts', 'utf8')
  const shown = new Map<string, string | undefined>()
  for (const [, comment = '', name = ''] of declarations.matchAll(
    /\/\*\*((?:(?!\*\/).)*)\*\/\s+(\w+): Option</gs,
  )) {
    shown.set(name, /@default\s+(.*?)\s*$/.exec(comment)?.[1])
  }
  t.strictSame([...shown.keys()].sort(), Object.keys(LISTEN_OPTIONS).sort(), 'each has its help')
  const table = { ...LISTENER_OPTIONS, idleTimeout: CONNECTION_TIMES.idleTimeout }
  for (const [name, { default: defaultValue, absent }] of Object.entries(table)) {
    const value = defaultValue ?? absent
    const written = typeof defaultValue === 'string' ? `'${defaultValue}'` : value?.toString()
    t.equal(shown.get(name), written, name)
  }
})
