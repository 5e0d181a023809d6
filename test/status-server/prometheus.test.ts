import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lines, listen, map, pipeline, serveStatus, toLines } from '../../lib/index.js'
import { freePort } from '../free-port.js'
import { missing } from '../program.js'
import { pause, startServer } from '../server-program.js'
import { connectTcp } from '../tcp-client.js'

const TOKEN = 'a-secret-of-24-characters'

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

/** Asks a Prometheus for the present values of an expression. */
async function query(port: number, expression: string): Promise<readonly Sample[]> {
  const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`
  const answer = (await (await fetch(url)).json()) as {
    readonly status: string
    readonly error?: string
    readonly data: { readonly result: readonly Sample[] }
  }
  if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
  return answer.data.result
}

/** The expressions of the dashboard in the docs. */
function dashboardExpressions(): readonly string[] {
  const [, json = ''] =
    /```json\n(\{\n {2}"title": "bywash"[\s\S]*?)```/.exec(readFileSync('docs/observability.md', 'utf8')) ??
    []
  const { panels } = JSON.parse(json) as { panels: { targets: { expr: string }[] }[] }
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
}

t.test(
  'a real Prometheus scrapes it, and has what the dashboard asks for',
  { skip: missing('prometheus') },
  async t => {
    const shout = map('shout', (line: string) => line.toUpperCase())
    const list = pipeline().through(lines()).through(shout).through(toLines())
    const listener = await listen(list, { host: '127.0.0.1', port: 0 })
    const status = await serveStatus(listener, { port: 0, token: TOKEN })
    t.teardown(async () => {
      await status.close()
      await listener.close({ timeout: 0 })
    })
    const client = await connectTcp(t, listener.address.port)
    const config = `
    global: { scrape_interval: 500ms, scrape_timeout: 500ms }
    scrape_configs:
      - job_name: bywash
        authorization: { credentials: ${TOKEN} }
        static_configs: [{ targets: ['127.0.0.1:${status.address.port}'] }]`
    const folder = t.testdir({ 'prometheus.yml': config })
    const port = await freePort()
    await startServer(t, port, 'prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ])
    // It listens before it is ready.
    while (!(await fetch(`http://127.0.0.1:${port}/-/ready`)).ok) await pause()
    const expressions = dashboardExpressions()
    t.ok(expressions.length > 6)
    for (const expression of expressions) {
      let samples: readonly Sample[] = []
      while (samples.length === 0) {
        await client.send('hello\n')
        await client.receive('\n')
        await pause()
        samples = await query(port, expression)
      }
    }
    const [connections] = await query(port, 'bywash_connections')
    t.equal(connections?.value[1], '1')
    t.match(connections?.metric, { job: 'bywash', listener: `127.0.0.1:${listener.address.port}` })
  },
)
