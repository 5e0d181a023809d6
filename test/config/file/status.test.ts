import t from 'tap'
import { readConfiguration } from '../../../lib/config/file/configuration.js'

const read = async (status: string) => {
  const text = `status: ${status}\nlisteners: [{ name: a, pipeline: echo }]\n`
  const { configuration, problems } = await readConfiguration(text, {
    environment: { TOKEN: 'a-token-of-24-characters', SHORT: 'x' },
    folder: '/etc/bywash',
  })
  return { status: configuration?.status, problems: problems.map(({ message }) => message) }
}

t.test('status: takes an address, or a mapping', async t => {
  for (const [text, status] of [
    ['9000', { port: 9000 }],
    ['"9000"', { port: 9000 }],
    ['localhost:9000', { host: 'localhost', port: 9000 }],
    ['"[::1]:9000"', { host: '::1', port: 9000 }],
    ['./status.sock', { path: '/etc/bywash/status.sock' }],
    [
      '{ port: 9000, host: 0.0.0.0, token: "${TOKEN}" }',
      { host: '0.0.0.0', port: 9000, token: 'a-token-of-24-characters' },
    ],
    ['{ path: /run/s, mode: "660" }', { path: '/run/s', mode: 0o660 }],
  ] as const) {
    t.strictSame(await read(text), { status, problems: [] }, text)
  }
})

t.test('what is no address, or open to others, is a problem', async t => {
  for (const [text, message] of [
    ['true', /^'status' must be a port, an address/],
    ['nowhere', /^'status' must be a port, an address/],
    ['[]', /^'status' is a mapping; got a list/],
    ['0.0.0.0:9000', /which other machines can reach/],
    ['{ port: 9000, token: "${SHORT}" }', /^'token' is 16 to 512 characters/],
    ['{ prot: 9000 }', /^'status' takes no 'prot'/],
    ['{}', /needs an address/],
  ] as const) {
    const { status, problems } = await read(text)
    t.equal(status, undefined)
    t.match(problems, [message], text)
  }
})
