import { readFileSync } from 'node:fs'
import t from 'tap'
import { LISTENER_OPTIONS } from '../../lib/config/listener-options.js'
import { CONNECTION_TIMES, connectionSettings } from '../../lib/engine/connection-options.js'
import { type ListenOptions, listenSettings } from '../../lib/listener/listen-options.js'

function check(options: ListenOptions): void {
  listenSettings(options)
  connectionSettings('listen()', options)
}

t.test('flags and files say options of listen(), with its defaults but for idleTimeout', async t => {
  for (const [name, { default: standard, refusal }] of Object.entries(LISTENER_OPTIONS)) {
    if (standard !== undefined) t.equal(refusal(name, standard), undefined, name)
    if (standard !== undefined) t.doesNotThrow(() => check({ [name]: standard }), name)
    t.throws(() => check({ [name]: {} } as object), { code: 'ERR_BYWASH_INVALID_OPTION' }, name)
  }
  t.equal(LISTENER_OPTIONS.idleTimeout?.default, 300_000)
  t.equal(CONNECTION_TIMES.idleTimeout.default, 0)
})

t.test('what an editor shows of an option is its default', async t => {
  const sources = ['lib/listener/listen-options.ts', 'lib/engine/connection-options.ts'].map(path =>
    readFileSync(path, 'utf8'),
  )
  const shown = new Map<string, string | undefined>()
  for (const [, comment = '', name = ''] of sources
    .join('\n')
    .matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s+readonly (\w+)\?:/gs)) {
    shown.set(name, /@default\s+(.*?)\s*$/.exec(comment.replace(/\n\s+\*/g, ' '))?.[1])
  }
  const table = { ...LISTENER_OPTIONS, idleTimeout: CONNECTION_TIMES.idleTimeout }
  for (const [name, { default: standard, absent }] of Object.entries(table)) {
    const value = standard ?? absent
    const written = typeof standard === 'string' ? `'${standard}'` : value?.toString()
    t.equal(shown.get(name), written, name)
  }
})
